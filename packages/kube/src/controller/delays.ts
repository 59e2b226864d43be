// Keys that become ready later: a heap by time, one timer for the first. A key that waits already keeps the earlier time
// (client-go: util/workqueue/delaying_queue.go).
import type { Clock, Timer } from "@wherry/core";
import type { Key } from "./types.ts";

interface Waiting {
  readonly key: Key;
  readonly readyMs: number;
}

export class Delays {
  readonly #clock: Clock;
  readonly #ready: (key: Key) => void;
  /** A binary heap, the earliest first. Holds entries that are superseded by an earlier one of the same key. */
  readonly #heap: Waiting[] = [];
  readonly #byKey = new Map<Key, Waiting>();
  #timer: Timer | undefined;
  #timerMs = 0;

  /** @param ready is called for each key when its time has come. */
  constructor(clock: Clock, ready: (key: Key) => void) {
    this.#clock = clock;
    this.#ready = ready;
  }

  get size(): number {
    return this.#byKey.size;
  }

  add(key: Key, delayMs: number): void {
    const waiting: Waiting = { key, readyMs: this.#clock.monotonic() + delayMs };
    const known = this.#byKey.get(key);
    if (known !== undefined && known.readyMs <= waiting.readyMs) return;
    this.#byKey.set(key, waiting);
    this.#push(waiting);
    this.#arm();
  }

  /** Forgets all, leaves no timer. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#heap.length = 0;
    this.#byKey.clear();
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || (this.#timer !== undefined && this.#timerMs <= first.readyMs)) return;
    this.#timer?.cancel();
    this.#timerMs = first.readyMs;
    // Background: a process must not live on because something is to be looked at again.
    this.#timer = this.#clock.timer(first.readyMs - this.#clock.monotonic(), () => this.#fire(), { background: true });
  }

  #fire(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonic();
    for (let first = this.#heap[0]; first !== undefined && first.readyMs <= nowMs; first = this.#heap[0]) {
      this.#pop();
      if (this.#byKey.get(first.key) !== first) continue;
      this.#byKey.delete(first.key);
      this.#ready(first.key);
    }
    this.#arm();
  }

  #push(waiting: Waiting): void {
    const heap = this.#heap;
    let index = heap.push(waiting) - 1;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if ((heap[parent] as Waiting).readyMs <= waiting.readyMs) break;
      heap[index] = heap[parent] as Waiting;
      index = parent;
    }
    heap[index] = waiting;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Waiting).readyMs < (heap[child] as Waiting).readyMs) child++;
      if (last.readyMs <= (heap[child] as Waiting).readyMs) break;
      heap[index] = heap[child] as Waiting;
      index = child;
    }
    heap[index] = last;
  }
}
