// Between the log and one aggregator: a bounded queue, batches, retries. It never blocks and never throws. A record is delivered,
// or it is spilled to where the log can always write; while the aggregator is down that happens at once, so that nothing is
// kept in a process that may die. Twice is possible, when an acknowledgement was lost; not at all is not.
import { asError, BoundedQueue, type Clock, type Random, type Timer } from "@wherry/core";
import {
  sinkAttemptsMax,
  sinkBatchBytesMax,
  sinkBatchRecordsMax,
  sinkLingerMs,
  sinkQueueBytesMax,
  sinkQueueRecordsMax,
  sinkRetryAfterMaxMs,
  sinkRetryFirstMs,
  sinkRetryMaxMs,
  sinkTimeoutMs,
} from "../limits.ts";
import { RetryLater } from "./retry-later.ts";
import type { Aggregator, Delivery } from "./types.ts";

export interface SinkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Writes a record where nothing is lost; called at once, never for one that is written there already. */
  readonly spill: (line: string) => void;
  /** Tells people, at most once an outage. */
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void;
}

interface Entry {
  readonly line: string;
  readonly bytes: number;
  /** Stdout has it. */
  readonly written: boolean;
  attempts: number;
}

/** What became of records so far. */
export interface SinkCounters {
  delivered: number;
  /** Not delivered, and on stdout instead: by why. */
  down: number;
  full: number;
  rejected: number;
}

export class Sink {
  readonly counters: SinkCounters = { delivered: 0, down: 0, full: 0, rejected: 0 };
  readonly #aggregator: Aggregator;
  readonly #options: SinkOptions;
  readonly #queue: BoundedQueue<Entry> = new BoundedQueue(sinkQueueRecordsMax);
  #queuedBytes = 0;
  /** Out of the queue, and not known to be stored. */
  #pending: Entry[] = [];
  #failures = 0;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #linger: Timer | undefined;
  #pumping: Promise<void> | undefined;
  #abort: AbortController | undefined;
  #closing = false;
  #wake: (() => void) | undefined;

  constructor(aggregator: Aggregator, options: SinkOptions) {
    this.#aggregator = aggregator;
    this.#options = options;
  }

  get name(): string {
    return this.#aggregator.name;
  }

  /** False from the second failure in a row to the next success. */
  get isUp(): boolean {
    return this.#failures < 2;
  }

  /** Records that are kept here. */
  get held(): number {
    return this.#queue.size + this.#pending.length;
  }

  /** @param written stdout has it already. @param urgent without waiting for a batch to fill. */
  offer(line: string, written: boolean, urgent: boolean): void {
    const bytes = Buffer.byteLength(line);
    const entry: Entry = { line, bytes, written, attempts: 0 };
    const resting = !this.isUp && this.#options.clock.monotonic() < this.#retryAtMs;
    if (resting || (this.#closing && this.#pumping === undefined)) this.#spill(entry, "down");
    else if (this.#queuedBytes + bytes > sinkQueueBytesMax || !this.#queue.push(entry)) this.#spill(entry, "full");
    else {
      this.#queuedBytes += bytes;
      if (urgent || this.#queue.size >= sinkBatchRecordsMax || this.#queuedBytes >= sinkBatchBytesMax) this.#pump();
      else this.#linger ??= this.#options.clock.timer(sinkLingerMs, () => this.#pump(), { background: true });
    }
  }

  /** Sends what is queued, until it is empty or the time is up; the rest is spilled. Never rejects. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    const expired = Promise.withResolvers<undefined>();
    const timer = this.#options.clock.timer(timeoutMs, () => expired.resolve(undefined));
    this.#wake?.();
    this.#pump();
    await Promise.race([this.#pumping, expired.promise]);
    timer.cancel();
    this.spillAll();
    this.#abort?.abort(new Error("the process ends"));
    this.#aggregator.close();
  }

  /** Writes everything that is kept here to stdout, now: the process is about to end. */
  spillAll(): void {
    this.#linger?.cancel();
    for (const entry of [...this.#pending, ...this.#queue.drain()]) this.#spill(entry, "down");
    this.#pending = [];
    this.#queuedBytes = 0;
  }

  #spill(entry: Entry, why: "down" | "full" | "rejected"): void {
    this.counters[why]++;
    if (!entry.written) this.#options.spill(entry.line);
  }

  #pump(): void {
    this.#linger?.cancel();
    this.#linger = undefined;
    if (this.#pumping !== undefined || this.held === 0) return;
    this.#pumping = this.#sendAll().finally(() => {
      this.#pumping = undefined;
    });
  }

  async #sendAll(): Promise<void> {
    while (this.#fill()) {
      const batch = this.#pending;
      const abort = (this.#abort = new AbortController());
      const late = new Error(`no answer within ${sinkTimeoutMs} ms`);
      const timer = this.#options.clock.timer(sinkTimeoutMs, () => abort.abort(late), { background: true });
      try {
        const lines = batch.map(({ line }) => line);
        this.#settle(batch, await this.#aggregator.send(lines, abort.signal));
      } catch (error) {
        this.#failed(asError(error));
      } finally {
        timer.cancel();
      }
      if (this.#pending.length > 0) await this.#pause();
    }
  }

  /** Takes the next batch, after what is still pending. False when there is none. */
  #fill(): boolean {
    let bytes = this.#pending.reduce((sum, entry) => sum + entry.bytes, 0);
    while (this.#pending.length < sinkBatchRecordsMax && bytes < sinkBatchBytesMax) {
      const entry = this.#queue.shift();
      if (entry === undefined) break;
      bytes += entry.bytes;
      this.#queuedBytes -= entry.bytes;
      this.#pending.push(entry);
    }
    return this.#pending.length > 0;
  }

  #settle(batch: readonly Entry[], { rejected, again, reason }: Delivery): void {
    // Spilled meanwhile, because the process ends.
    if (this.#pending !== batch) return;
    const back = (failures: number): void =>
      this.#options.warn({ sink: this.name, failures }, `the log's sink ${this.name} takes records again`);
    if (!this.isUp) back(this.#failures);
    this.#failures = 0;
    const refused = new Set(rejected);
    const later = new Set(again);
    this.#pending = [];
    for (const [index, entry] of batch.entries()) {
      if (later.has(index) && ++entry.attempts < sinkAttemptsMax) this.#pending.push(entry);
      else if (refused.has(index) || later.has(index)) this.#spill(entry, "rejected");
      else this.counters.delivered++;
    }
    if (rejected.length > 0 && this.counters.rejected === rejected.length)
      this.#options.warn(
        { sink: this.name, rejected: rejected.length, reason },
        `the log's sink ${this.name} refused records; they are on stdout`,
      );
  }

  /** The first failure may be a connection that was closed while idle: it is tried again before anything is given up. */
  #failed(error: Error): void {
    const wasUp = this.isUp;
    const laterMs = error instanceof RetryLater ? Math.min(error.retryAfterMs, sinkRetryAfterMaxMs) : 0;
    // What would have to be kept for long, in a process that may die, is not: it is down at once.
    this.#failures = Math.max(this.#failures + 1, laterMs > sinkRetryFirstMs ? 2 : 0);
    this.#retryAtMs = this.#options.clock.monotonic() + Math.max(laterMs, this.#pauseMs());
    if (this.isUp) return;
    this.spillAll();
    if (wasUp)
      this.#options.warn(
        { sink: this.name, reason: error.message },
        `the log's sink ${this.name} is down; records go to stdout until it takes them again`,
      );
  }

  /** Doubles with each failure in a row; half of it is random, so that a thousand pods don't come back as one. */
  #pauseMs(): number {
    const ceiling = Math.min(sinkRetryMaxMs, sinkRetryFirstMs * 2 ** Math.max(0, this.#failures - 1));
    return ceiling / 2 + (ceiling / 2) * this.#options.random.next();
  }

  #pause(): Promise<void> {
    if (this.#closing) return Promise.resolve();
    const untilRetryMs = this.#retryAtMs - this.#options.clock.monotonic();
    const pauseMs = untilRetryMs > 0 ? untilRetryMs : this.#pauseMs();
    return new Promise((resolve) => {
      const timer = this.#options.clock.timer(pauseMs, resolve, { background: true });
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
