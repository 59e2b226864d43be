// Durable calls over RabbitMQ: a quorum queue for each method, one for each length of a retry's pause, and one for its dead letters;
// publishes confirmed, deliveries acknowledged by hand.
import type { Channel, ConsumeMessage, GetMessage, Message } from "amqplib";
import { brokerConfirmMs } from "../../limits.ts";
import { Consumers } from "../consumers.ts";
import { brokerError, reasonOf } from "../errors.ts";
import { deadHeaders, header, headersOf, keptOf, type Texts } from "../headers.ts";
import { Presence } from "../presence.ts";
import type {
  Broker,
  BrokerConsumer,
  BrokerOptions,
  ConsumeOptions,
  DeadLetter,
  DeadReason,
  DeadSelection,
  Depth,
  OutgoingMessage,
  Receipt,
} from "../types.ts";
import { RabbitLink } from "./connection.ts";
import { RabbitConsumer } from "./consumer.ts";
import { KeyLog } from "./key-log.ts";
import * as names from "./names.ts";

export function openRabbitBroker(url: string, options: BrokerOptions): Broker {
  return new RabbitBroker(url, options);
}

class RabbitBroker implements Broker {
  readonly kind = "rabbitmq";
  readonly #options: BrokerOptions;
  readonly #link: RabbitLink;
  readonly #consumers: Consumers<RabbitConsumer>;
  readonly #keys: Map<string, KeyLog> = new Map();
  #closing: Promise<void> | undefined;

  constructor(url: string, options: BrokerOptions) {
    this.#options = options;
    this.#link = new RabbitLink(url, options);
    this.#consumers = new Consumers(options, new Presence("RabbitMQ", options));
  }

  async ready(queue: string): Promise<void> {
    await this.#link.ready(queue);
  }

  async publish(queue: string, message: OutgoingMessage): Promise<Receipt> {
    await this.#link.ready(queue);
    const { key, body = new Uint8Array() } = message;
    const store = (id: string): Promise<void> =>
      this.#link.publish(names.workQueue(queue), id, body, headersOf(message, this.#options.clock.now()));
    if (key !== undefined) return this.#keysOf(queue).once(key, store);
    const id = this.#options.random.uuid();
    await store(id);
    return { id, duplicate: false };
  }

  #keysOf(queue: string): KeyLog {
    let keys = this.#keys.get(queue);
    if (keys === undefined) {
      const { clock, random, dedupeWindowMs: windowMs } = this.#options;
      keys = new KeyLog({ link: this.#link, queue, windowMs, clock, random });
      this.#keys.set(queue, keys);
    }
    return keys;
  }

  async consume(queue: string, options: ConsumeOptions): Promise<BrokerConsumer> {
    return this.#consumers.add(() => this.#start(queue, options));
  }

  async #start(queue: string, options: ConsumeOptions): Promise<RabbitConsumer> {
    await this.#link.ready(queue);
    const channel = await this.#link.channel();
    const consumer = new RabbitConsumer({
      ...{ ...options, queue, channel, log: this.#options.log },
      gone: () => this.#link.forget(names.workQueue(queue)),
      again: (message, count) => this.#copy(names.workQueue(queue), message, { [header.count]: String(count) }),
      later: (message, count, delayMs) => this.#later(queue, message, count, delayMs),
      bury: (message, count, reason) => this.#bury(queue, message, count, reason),
    });
    // A queue without a leader does not answer: then its channel is given up.
    const late = new AbortController();
    const { clock } = this.#options;
    void clock.sleep(brokerConfirmMs, late.signal).then(
      () => giveBack(channel),
      () => undefined,
    );
    return consumer.start().finally(() => late.abort());
  }

  async #later(queue: string, message: ConsumeMessage, count: number, delayMs: number): Promise<void> {
    const pauseMs = names.pauseStepMs(delayMs);
    const name = names.retryQueue(queue, pauseMs);
    await this.#link.declare(name, names.retryOptions(queue, pauseMs));
    await this.#copy(name, message, { [header.count]: String(count) });
  }

  #bury(queue: string, message: ConsumeMessage, count: number, reason: DeadReason): Promise<void> {
    return this.#copy(
      names.deadQueue(queue),
      message,
      deadHeaders(names.headersOf(message), reason, count, this.#options.clock.now()),
    );
  }

  #copy(name: string, message: Message, more: Texts): Promise<void> {
    const headers = { ...keptOf(names.headersOf(message)), ...more };
    return this.#link.publish(name, String(message.properties.messageId), message.content, headers);
  }

  async depth(queue: string): Promise<Depth> {
    await this.#link.ready(queue);
    const pauses = names.pauseStepsMs.map((pauseMs) => names.retryQueue(queue, pauseMs));
    const [work = 0, dead = 0, ...paused] = await Promise.all(
      [names.workQueue(queue), names.deadQueue(queue), ...pauses].map((name) => this.#count(name)),
    );
    return { ready: paused.reduce((sum, count) => sum + count, work), inFlight: undefined, dead };
  }

  async hasQueue(queue: string): Promise<boolean> {
    return (await this.#countOf(names.workQueue(queue))) !== undefined;
  }

  /** 0 for a queue that nobody needed yet. */
  async #count(name: string): Promise<number> {
    return (await this.#countOf(name)) ?? 0;
  }

  /** Undefined: there is no such queue; asking for it ends the channel. */
  async #countOf(name: string): Promise<number | undefined> {
    const channel = await this.#link.channel();
    try {
      const { messageCount } = await channel.checkQueue(name);
      await channel.close();
      return messageCount;
    } catch (error) {
      const { code } = error as { code?: number };
      if (code === 404) return undefined;
      const message = `RabbitMQ did not tell of the queue ${name}: ${reasonOf(error)}`;
      throw brokerError(code === 403 ? "BROKER_REFUSED" : "BROKER_UNAVAILABLE", message, error);
    }
  }

  async deadLetters(queue: string, limit: number): Promise<readonly DeadLetter[]> {
    const { seen } = await this.#dead(queue, limit, async () => false);
    return seen.map((message) => names.letterIn(message));
  }

  async redrive(queue: string, which: DeadSelection): Promise<number> {
    const again = async (message: Message): Promise<boolean> => {
      await this.#copy(names.workQueue(queue), message, {});
      return true;
    };
    return (await this.#dead(queue, Number.POSITIVE_INFINITY, again, which)).done;
  }

  async purge(queue: string, which: DeadSelection): Promise<number> {
    return (await this.#dead(queue, Number.POSITIVE_INFINITY, async () => true, which)).done;
  }

  /** Takes dead letters one by one; those for which `take` says true are removed, the others put back. */
  async #dead(
    queue: string,
    limit: number,
    take: (message: Message) => Promise<boolean>,
    which: DeadSelection = "all",
  ): Promise<{ seen: Message[]; done: number }> {
    await this.#link.ready(queue);
    const channel = await this.#link.channel();
    const seen: GetMessage[] = [];
    let done = 0;
    try {
      while (seen.length < limit) {
        const message = await channel.get(names.deadQueue(queue), { noAck: false });
        if (message === false) break;
        seen.push(message);
        const chosen = which === "all" || which.includes(String(message.properties.messageId));
        if (!chosen || !(await take(message))) continue;
        channel.ack(message);
        done++;
      }
      return { seen, done };
    } finally {
      await giveBack(channel);
    }
  }

  close(graceMs = 0): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    await this.#consumers.close(graceMs);
    await this.#link.close();
  }
}

/** What was not acknowledged is in the queue again when the channel is closed. */
async function giveBack(channel: Channel): Promise<void> {
  await channel.close().catch(() => undefined);
}
