// Deduplication by key, which RabbitMQ doesn't have: a queue for each key that was published within the window. One publisher at a
// time works on a key: an exclusive queue is the lock, which RabbitMQ lets go when its holder dies. Whoever dies between the message and
// the mark leaves no mark: then the same key may be stored twice, never not at all.
import type { Channel } from "amqplib";
import type { Clock, Random } from "@wherry/core";
import { brokerConfirmMs } from "../../limits.ts";
import { brokerError } from "../errors.ts";
import type { Receipt } from "../types.ts";
import type { RabbitLink } from "./connection.ts";
import { lockQueue, seenOptions, seenQueue } from "./names.ts";

/** Keyed publishes at a time; each has a channel of its own. */
const atOnceMax = 64;
const lockPauseMs = 10;

export class Dedupe {
  readonly #link: RabbitLink;
  readonly #windowMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  /** The last publish of each key in this process: an exclusive queue does not lock out its own connection. */
  readonly #last: Map<string, Promise<unknown>> = new Map();
  #atOnce = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(link: RabbitLink, windowMs: number, clock: Clock, random: Random) {
    this.#link = link;
    this.#windowMs = windowMs;
    this.#clock = clock;
    this.#random = random;
  }

  /** @param store publishes the message, and gives its id. */
  once(queue: string, key: string, store: () => Promise<string>): Promise<Receipt> {
    const name = seenQueue(queue, key);
    const before = this.#last.get(name) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(() => this.#inTurn(queue, key, store));
    this.#last.set(name, mine);
    const forget = (): void => {
      if (this.#last.get(name) === mine) this.#last.delete(name);
    };
    mine.then(forget, forget);
    return mine;
  }

  async #inTurn(queue: string, key: string, store: () => Promise<string>): Promise<Receipt> {
    if (this.#atOnce >= atOnceMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#atOnce++;
    try {
      const channel = await this.#lock(lockQueue(queue, key));
      try {
        return await this.#once(channel, seenQueue(queue, key), store);
      } finally {
        await channel.deleteQueue(lockQueue(queue, key)).catch(() => undefined);
        await channel.close().catch(() => undefined);
      }
    } finally {
      this.#atOnce--;
      this.#waiting.shift()?.();
    }
  }

  async #once(channel: Channel, seen: string, store: () => Promise<string>): Promise<Receipt> {
    const { messageCount } = await channel.assertQueue(seen, seenOptions(this.#windowMs));
    if (messageCount > 0) {
      const mark = await channel.get(seen, { noAck: false });
      if (mark !== false) channel.nack(mark, false, true);
      return { id: mark === false ? "" : mark.content.toString(), duplicate: true };
    }
    const id = await store();
    await this.#link.publish(seen, `seen ${id}`, Buffer.from(id), {});
    return { id, duplicate: false };
  }

  /** 405 RESOURCE_LOCKED, which ends the channel: another process publishes this key now. */
  async #lock(name: string): Promise<Channel> {
    const untilMs = this.#clock.monotonic() + brokerConfirmMs;
    for (;;) {
      const channel = await this.#link.channel();
      try {
        await channel.assertQueue(name, { exclusive: true, durable: false });
        return channel;
      } catch (error) {
        if ((error as { code?: number }).code !== 405)
          throw brokerError("BROKER_UNAVAILABLE", `RabbitMQ gave no lock for a key`, error);
      }
      if (this.#clock.monotonic() > untilMs)
        throw brokerError("BROKER_UNAVAILABLE", "another process has been publishing the same key all the while");
      await this.#clock.sleep(Math.ceil(lockPauseMs * (1 + this.#random.next())));
    }
  }
}
