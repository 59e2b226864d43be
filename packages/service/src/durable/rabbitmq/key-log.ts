// Deduplication by key, which RabbitMQ doesn't have: a stream for each queue, to which its publishers write what they do with keys, and
// which they all read. The first claim of a key in the stream's order is the one that may store its message; the others hear of it there.
// Everybody reads the same order, so nobody needs a lock.
//
//   claim k ──► mine: the first ──► message stored ──► stored k     later claims of k: duplicates
//          └──► another's: wait for its `stored`, or its `dropped`, after which the next claim in line is the first
//
// Whoever dies between the message and `stored` leaves a claim that counts for a while: then the key is free again, and may be stored twice,
// never not at all.
import type { Channel, ConsumeMessage } from "amqplib";
import { asError, type Clock, type Random, WherryError } from "@wherry/core";
import {
  brokerConfirmMs,
  rabbitKeysInsistMs,
  rabbitKeysMax,
  rabbitKeysPauseMs,
  rabbitKeysUnackedMax,
} from "../../limits.ts";
import { brokerError, reasonOf } from "../errors.ts";
import type { Receipt } from "../types.ts";
import type { RabbitLink } from "./connection.ts";
import { type KeyRecord, KeyTable, type Verdict } from "./key-table.ts";
import { keysOptions, keysStream } from "./names.ts";

export interface KeyLogOptions {
  readonly link: RabbitLink;
  readonly queue: string;
  readonly windowMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

export class KeyLog {
  readonly #options: KeyLogOptions;
  readonly #stream: string;
  /** Claims of this process that have no verdict yet, by their message's id. */
  readonly #waiting: Map<string, PromiseWithResolvers<Verdict>> = new Map();
  #reading: Promise<Channel> | undefined;

  constructor(options: KeyLogOptions) {
    this.#options = options;
    this.#stream = keysStream(options.queue);
  }

  /** @param store publishes the message under this id. */
  async once(key: string, store: (id: string) => Promise<void>): Promise<Receipt> {
    await this.#read();
    const id = this.#options.random.uuid();
    const verdict = await this.#claim(key, id);
    if (verdict.state === "duplicate") return { id: verdict.of, duplicate: true };
    try {
      await store(id);
    } catch (error) {
      this.#drop(key, id);
      throw error;
    }
    await this.#write({ what: "stored", key, id });
    return { id, duplicate: false };
  }

  async #claim(key: string, id: string): Promise<Verdict> {
    const verdict = Promise.withResolvers<Verdict>();
    this.#waiting.set(id, verdict);
    const settled = new AbortController();
    this.#insist(key, id, settled.signal).catch((error: unknown) => verdict.reject(asError(error)));
    try {
      return await verdict.promise;
    } finally {
      settled.abort("settled");
      this.#waiting.delete(id);
    }
  }

  /** Claims, and again every second: RabbitMQ 3.10 sometimes tells the reader of a quiet stream of nothing until another record comes. */
  async #insist(key: string, id: string, settled: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const done = (): boolean => settled.aborted;
    for (const untilMs = clock.monotonic() + brokerConfirmMs; clock.monotonic() < untilMs; ) {
      await this.#write({ what: "claim", key, id });
      await clock.sleep(rabbitKeysInsistMs, settled).catch(() => undefined);
      if (done()) return;
    }
    this.#drop(key, id);
    const message = `key ${JSON.stringify(key)} is being published by another process, which has not ended for ${brokerConfirmMs} ms`;
    throw brokerError("BROKER_UNAVAILABLE", message);
  }

  /** The next claim in line need not wait until this one counts no more. */
  #drop(key: string, id: string): void {
    this.#write({ what: "dropped", key, id }).catch(() => undefined);
  }

  #write({ what, key, id }: Omit<KeyRecord, "atMs">): Promise<void> {
    const { link, clock } = this.#options;
    return link.publish(this.#stream, `${what} ${id}`, Buffer.from(JSON.stringify([what, key, id, clock.now()])), {});
  }

  #emptyTable(): KeyTable {
    const { windowMs } = this.#options;
    return new KeyTable({ windowMs, claimMs: 2 * brokerConfirmMs, keysMax: rabbitKeysMax }, (id, verdict) =>
      this.#waiting.get(id)?.resolve(verdict),
    );
  }

  /** From the window's beginning on, for as long as the connection lasts. */
  #read(): Promise<Channel> {
    this.#reading ??= this.#start().catch((error: unknown) => {
      this.#reading = undefined;
      throw error;
    });
    return this.#reading;
  }

  /** A stream that is being made, by this process or another, has no reader for a moment. */
  async #start(): Promise<Channel> {
    const { clock, queue } = this.#options;
    for (const untilMs = clock.monotonic() + brokerConfirmMs; ; ) {
      try {
        return await this.#open();
      } catch (error) {
        if (WherryError.is(error) && !error.retryable) throw error;
        if (WherryError.is(error) || clock.monotonic() > untilMs)
          throw brokerError("BROKER_UNAVAILABLE", `the keys of ${queue} cannot be read: ${reasonOf(error)}`, error);
      }
      await clock.sleep(rabbitKeysPauseMs);
    }
  }

  async #open(): Promise<Channel> {
    const { link, windowMs, clock } = this.#options;
    await link.declare(this.#stream, keysOptions(windowMs));
    const channel = await link.channel();
    const table = this.#emptyTable();
    await channel.prefetch(2 * rabbitKeysUnackedMax);
    // Whole seconds; it begins a little before.
    const from = { "!": "timestamp", value: Math.floor((clock.now() - windowMs) / 1000) };
    const options = { noAck: false, arguments: { "x-stream-offset": from } };
    let unacked = 0;
    const arrived = (message: ConsumeMessage | null): void => {
      if (message === null) {
        // The stream was deleted: the next publish declares it again.
        channel.close().catch(() => undefined);
        return;
      }
      if (++unacked >= rabbitKeysUnackedMax) {
        unacked = 0;
        channel.ack(message, true);
      }
      table.apply(recordIn(message));
    };
    await channel.consume(this.#stream, arrived, options);
    channel.once("close", () => this.#broke());
    return channel;
  }

  #broke(): void {
    this.#reading = undefined;
    const error = brokerError("BROKER_UNAVAILABLE", "the connection to RabbitMQ broke before the message was stored");
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}

function recordIn({ content }: ConsumeMessage): KeyRecord {
  const [what, key, id, atMs] = JSON.parse(content.toString()) as [KeyRecord["what"], string, string, number];
  return { what, key, id, atMs };
}
