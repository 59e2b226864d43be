// Durable calls over RabbitMQ: a quorum queue for each method, one for each length of a retry's pause, and one for its dead letters;
// publishes confirmed, deliveries acknowledged by hand.
import type { Channel, ConsumeMessage, GetMessage, Message } from "amqplib";
import { brokerConfirmMs } from "../../limits.ts";
import { endConsumers } from "../grace.ts";
import { untilDone } from "../retrying.ts";
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
import { Dedupe } from "./dedupe.ts";
import * as names from "./names.ts";

export function openRabbitBroker(url: string, options: BrokerOptions): Broker {
  return new RabbitBroker(url, options);
}

class RabbitBroker implements Broker {
  readonly kind = "rabbitmq";
  readonly #options: BrokerOptions;
  readonly #link: RabbitLink;
  readonly #dedupe: Dedupe;
  readonly #consumers: Set<RabbitConsumer> = new Set();
  readonly #stop: AbortController = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(url: string, options: BrokerOptions) {
    this.#options = options;
    this.#link = new RabbitLink(url, options);
    this.#dedupe = new Dedupe(this.#link, options.dedupeWindowMs, options.clock, options.random);
  }

  async publish(queue: string, message: OutgoingMessage): Promise<Receipt> {
    await this.#link.ready(queue);
    const { key } = message;
    const store = async (): Promise<string> => {
      const id = this.#options.random.uuid();
      const { content, trace, body = new Uint8Array() } = message;
      const headers = {
        [names.header.content]: content,
        [names.header.published]: this.#options.clock.now(),
        ...(key === undefined ? {} : { [names.header.key]: key }),
        ...(trace === undefined ? {} : { [names.header.trace]: trace }),
      };
      await this.#link.publish(names.workQueue(queue), id, body, headers);
      return id;
    };
    return key === undefined ? { id: await store(), duplicate: false } : this.#dedupe.once(queue, key, store);
  }

  async consume(queue: string, options: ConsumeOptions): Promise<BrokerConsumer> {
    const own = new AbortController();
    const signal = AbortSignal.any([own.signal, this.#stop.signal]);
    const stopped = (): boolean => signal.aborted;
    let current: RabbitConsumer | undefined;
    const go = async (): Promise<void> => {
      while (!stopped()) {
        const start = (): Promise<RabbitConsumer> => this.#start(queue, options);
        current = await untilDone(`consuming ${queue}`, start, signal, this.#options);
        if (stopped()) await current?.stop();
        else await Promise.race([current?.ended, aborted(signal)]);
      }
    };
    const running = go();
    const stop = async (): Promise<void> => {
      own.abort();
      await running;
      await current?.stop();
    };
    return { stop };
  }

  async #start(queue: string, options: ConsumeOptions): Promise<RabbitConsumer> {
    await this.#link.ready(queue);
    const channel = await this.#link.channel();
    const consumer = new RabbitConsumer({
      ...{ ...options, queue, channel, log: this.#options.log },
      later: (message, count, delayMs) => this.#later(queue, message, count, delayMs),
      bury: (message, count, reason) => this.#bury(queue, message, count, reason),
    });
    this.#consumers.add(consumer);
    void consumer.ended.then(() => this.#consumers.delete(consumer));
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
    await this.#copy(name, message, { [names.header.count]: count });
  }

  #bury(queue: string, message: ConsumeMessage, count: number, { code, message: reason }: DeadReason): Promise<void> {
    const why = {
      [names.header.count]: count,
      [names.header.code]: code,
      [names.header.reason]: reason,
      [names.header.died]: this.#options.clock.now(),
    };
    return this.#copy(names.deadQueue(queue), message, why);
  }

  #copy(name: string, message: Message, more: Readonly<Record<string, unknown>>): Promise<void> {
    const from = names.headersOf(message);
    const { content, published, key, trace } = names.header;
    const kept = Object.fromEntries(
      [content, published, key, trace].filter((field) => field in from).map((field) => [field, from[field]]),
    );
    return this.#link.publish(name, String(message.properties.messageId), message.content, { ...kept, ...more });
  }

  async depth(queue: string): Promise<Depth> {
    await this.#link.ready(queue);
    const pauses = names.pauseStepsMs.map((pauseMs) => names.retryQueue(queue, pauseMs));
    const [work = 0, dead = 0, ...paused] = await Promise.all(
      [names.workQueue(queue), names.deadQueue(queue), ...pauses].map((name) => this.#count(name)),
    );
    return { ready: paused.reduce((sum, count) => sum + count, work), inFlight: undefined, dead };
  }

  /** 0 for a queue that nobody needed yet; asking for it ends the channel. */
  async #count(name: string): Promise<number> {
    const channel = await this.#link.channel();
    try {
      const { messageCount } = await channel.checkQueue(name);
      await channel.close();
      return messageCount;
    } catch {
      return 0;
    }
  }

  async deadLetters(queue: string, limit: number): Promise<readonly DeadLetter[]> {
    return this.#dead(queue, limit, async () => false).then(({ seen }) =>
      seen.map((message) => names.letterOf(message)),
    );
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
    this.#stop.abort();
    await endConsumers(this.#consumers, graceMs, this.#options.clock);
    await this.#link.close();
  }
}

/** What was not acknowledged is in the queue again when the channel is closed. */
async function giveBack(channel: Channel): Promise<void> {
  await channel.close().catch(() => undefined);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
