// A pod's consumer of one queue: a channel of its own, with RabbitMQ's prefetch, and every message acknowledged by hand. A channel
// that breaks takes its deliveries with it: RabbitMQ gives them to another.
import type { Channel, ConsumeMessage } from "amqplib";
import { asError, type Logger } from "@wherry/core";
import { header, messageOf, numberOf } from "../headers.ts";
import type { BrokerConsumer, ConsumeOptions, DeadReason, Delivery } from "../types.ts";
import { countOf, headersOf, workQueue } from "./names.ts";

export interface RabbitConsumerOptions extends ConsumeOptions {
  readonly queue: string;
  readonly channel: Channel;
  readonly log: Logger;
  /** The queue is not there any more. */
  readonly gone: () => void;
  /** Stores a copy of the message that comes back at once, or after a pause, or that is dead. Rejects when it could not. */
  readonly again: (message: ConsumeMessage, count: number) => Promise<void>;
  readonly later: (message: ConsumeMessage, count: number, delayMs: number) => Promise<void>;
  readonly bury: (message: ConsumeMessage, count: number, reason: DeadReason) => Promise<void>;
}

export class RabbitConsumer implements BrokerConsumer {
  readonly #options: RabbitConsumerOptions;
  readonly #out: Set<ConsumeMessage> = new Set();
  /** Of what came after `stop`. */
  readonly #handingBack: Set<Promise<unknown>> = new Set();
  /** Resolves when the channel is gone, for whatever reason. */
  readonly ended: Promise<void>;
  #tag = "";
  #open = true;
  #stopped: Promise<void> | undefined;

  constructor(options: RabbitConsumerOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      options.channel.once("close", () => {
        this.#open = false;
        this.#out.clear();
        resolve();
      });
    });
  }

  get outstanding(): number {
    return this.#out.size;
  }

  async start(): Promise<this> {
    const { channel, prefetch, queue } = this.#options;
    await channel.prefetch(prefetch);
    const { consumerTag } = await channel.consume(workQueue(queue), (message) => this.#arrived(message), {
      noAck: false,
    });
    this.#tag = consumerTag;
    return this;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#cancel();
    return this.#stopped;
  }

  /** What RabbitMQ has sent before it confirms the cancellation arrives before that, and is handed back. */
  async #cancel(): Promise<void> {
    if (this.#open) await this.#options.channel.cancel(this.#tag).catch(() => undefined);
    await Promise.all(this.#handingBack);
  }

  /** Closing the channel gives back what is out, at once. */
  async end(): Promise<void> {
    await this.stop();
    if (this.#open) await this.#options.channel.close().catch(() => undefined);
  }

  #arrived(message: ConsumeMessage | null): void {
    const { channel } = this.#options;
    if (message === null) {
      const why = "RabbitMQ has deleted a queue, or ended its consumer; it is made again";
      this.#options.log.warn({ queue: this.#options.queue }, why);
      this.#options.gone();
      // Another consumer takes this one's place.
      void channel.close().catch(() => undefined);
      return;
    }
    this.#out.add(message);
    const headers = headersOf(message);
    const count = countOf(headers);
    if (this.#stopped !== undefined) {
      this.#handingBack.add(this.#release(message, count));
      return;
    }
    const delivery: Delivery = {
      ...messageOf(headers, message.content),
      ...{ id: String(message.properties.messageId), count, publishedMs: numberOf(headers, header.published) },
      ack: async () => this.#settle(message, () => channel.ack(message)),
      retry: (delayMs) => this.#retry(message, count, delayMs),
      release: () => this.#release(message, count),
      deadLetter: (reason) => this.#replaced(message, this.#options.bury(message, count, reason)),
    };
    this.#options.deliver(delivery);
  }

  async #retry(message: ConsumeMessage, count: number, delayMs: number): Promise<boolean> {
    if (delayMs <= 0) return this.#requeue(message);
    return this.#replaced(message, this.#options.later(message, count, delayMs));
  }

  /** RabbitMQ counts a message that goes back as delivered, so a copy takes its place. */
  #release(message: ConsumeMessage, count: number): Promise<boolean> {
    return this.#replaced(message, this.#options.again(message, count - 1));
  }

  /** First the copy is stored, then the message is finished: in between it is in both places, never in none. */
  async #replaced(message: ConsumeMessage, stored: Promise<void>): Promise<boolean> {
    try {
      await stored;
    } catch (error) {
      this.#options.log.warn(
        { err: asError(error), queue: this.#options.queue },
        "a message goes back to its queue at once",
      );
      return this.#requeue(message);
    }
    return this.#settle(message, () => this.#options.channel.ack(message));
  }

  #requeue(message: ConsumeMessage): boolean {
    return this.#settle(message, () => this.#options.channel.nack(message, false, true));
  }

  /** RabbitMQ does not confirm acknowledgements; one that it did not get, because the connection broke, means another delivery. */
  #settle(message: ConsumeMessage, how: () => void): boolean {
    if (!this.#open || !this.#out.delete(message)) return false;
    try {
      how();
      return true;
    } catch {
      return false;
    }
  }
}
