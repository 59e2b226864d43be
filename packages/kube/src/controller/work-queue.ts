// A queue of keys to look at. A key waits at most once and is never out twice: what is added while it is being processed comes
// again when that is done (client-go: util/workqueue/queue.go). Bounded by the number of different keys.
import type { Clock } from "@wherry/core";
import { Delays } from "./delays.ts";
import * as limits from "./limits.ts";
import type { Key, WorkQueue } from "./types.ts";

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** The back-off of a key's first failure; doubles with each. `limits.keyBackoffMs` when absent. */
  readonly backoffMs?: number;
  /** `limits.keyBackoffMsMax` when absent. */
  readonly backoffMsMax?: number;
}

/** Nothing needs to be closed: its one timer never keeps the process alive. */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  return new DeduplicatingQueue(options);
}

class DeduplicatingQueue implements WorkQueue {
  readonly #backoffMs: number;
  readonly #backoffMsMax: number;
  readonly #delays: Delays;
  /** Keys that wait for a worker, oldest first: a set keeps the order of insertion. */
  readonly #waiting = new Set<Key>();
  readonly #processing = new Set<Key>();
  /** Keys that were added while they were being processed. */
  readonly #again = new Set<Key>();
  readonly #failures = new Map<Key, number>();
  readonly #takers = new Set<(key: Key) => void>();

  constructor({ clock, backoffMs, backoffMsMax }: WorkQueueOptions) {
    this.#backoffMs = backoffMs ?? limits.keyBackoffMs;
    this.#backoffMsMax = backoffMsMax ?? limits.keyBackoffMsMax;
    this.#delays = new Delays(clock, (key) => this.add(key));
  }

  get length(): number {
    return this.#waiting.size;
  }

  add(key: Key): void {
    if (this.#processing.has(key)) {
      this.#again.add(key);
      return;
    }
    const [taker] = this.#takers;
    if (taker === undefined) {
      this.#waiting.add(key);
      return;
    }
    this.#takers.delete(taker);
    this.#processing.add(key);
    taker(key);
  }

  addAfter(key: Key, delayMs: number): void {
    if (delayMs <= 0) this.add(key);
    else this.#delays.add(key, delayMs);
  }

  addRateLimited(key: Key): void {
    const failures = this.failures(key);
    this.#failures.set(key, failures + 1);
    this.addAfter(key, Math.min(this.#backoffMsMax, this.#backoffMs * 2 ** failures));
  }

  forget(key: Key): void {
    this.#failures.delete(key);
  }

  failures(key: Key): number {
    return this.#failures.get(key) ?? 0;
  }

  take(signal: AbortSignal): Promise<Key | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    const [key] = this.#waiting;
    if (key !== undefined) {
      this.#waiting.delete(key);
      this.#processing.add(key);
      return Promise.resolve(key);
    }
    return new Promise((resolve) => {
      const stop = (): void => {
        this.#takers.delete(taker);
        resolve(undefined);
      };
      const taker = (taken: Key): void => {
        signal.removeEventListener("abort", stop);
        resolve(taken);
      };
      this.#takers.add(taker);
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  done(key: Key): void {
    if (!this.#processing.delete(key)) return;
    if (this.#again.delete(key)) this.add(key);
  }
}
