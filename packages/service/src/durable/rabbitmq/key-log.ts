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
import { asError, type Clock, type Random } from "@wherry/core";
import { brokerConfirmMs, rabbitKeysMax, rabbitKeysUnackedMax } from "../../limits.ts";
import { brokerError } from "../errors.ts";
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
  #table: KeyTable;
  #reading: Promise<Channel> | undefined;
  #unacked = 0;

  constructor(options: KeyLogOptions) {
    this.#options = options;
    this.#stream = keysStream(options.queue);
    this.#table = this.#emptyTable();
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
    const late = new AbortController();
    void this.#options.clock.sleep(brokerConfirmMs, late.signal).then(
      () => {
        this.#drop(key, id);
        const message = `key ${JSON.stringify(key)} is being published by another process, which has not ended for ${brokerConfirmMs} ms`;
        verdict.reject(brokerError("BROKER_UNAVAILABLE", message));
      },
      () => undefined,
    );
    this.#write({ what: "claim", key, id }).catch((error: unknown) => verdict.reject(asError(error)));
    try {
      return await verdict.promise;
    } finally {
      late.abort();
      this.#waiting.delete(id);
    }
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

  async #start(): Promise<Channel> {
    const { link, windowMs, clock } = this.#options;
    await link.declare(this.#stream, keysOptions(windowMs));
    const channel = await link.channel();
    channel.once("close", () => this.#broke());
    this.#table = this.#emptyTable();
    this.#unacked = 0;
    await channel.prefetch(2 * rabbitKeysUnackedMax);
    // Whole seconds; it begins a little before.
    const from = { "!": "timestamp", value: Math.floor((clock.now() - windowMs) / 1000) };
    const options = { noAck: false, arguments: { "x-stream-offset": from } };
    await channel.consume(this.#stream, (message) => this.#arrived(channel, message), options);
    return channel;
  }

  #arrived(channel: Channel, message: ConsumeMessage | null): void {
    // The stream was deleted: the next publish declares it again.
    if (message === null) {
      channel.close().catch(() => undefined);
      return;
    }
    if (++this.#unacked >= rabbitKeysUnackedMax) {
      this.#unacked = 0;
      channel.ack(message, true);
    }
    const [what, key, id, atMs] = JSON.parse(message.content.toString()) as [KeyRecord["what"], string, string, number];
    this.#table.apply({ what, key, id, atMs });
  }

  #broke(): void {
    this.#reading = undefined;
    const error = brokerError("BROKER_UNAVAILABLE", "the connection to RabbitMQ broke before the message was stored");
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}
