// A deadline that can come nearer while it is waited for: a later delete may shorten a pod's grace period, never lengthen it.
import type { Clock } from "@wherry/core";

export class Grace {
  readonly #clock: Clock;
  #deadlineMs: number;
  #nearer = new AbortController();

  constructor(clock: Clock, graceMs: number) {
    this.#clock = clock;
    this.#deadlineMs = clock.monotonic() + graceMs;
  }

  get leftMs(): number {
    return Math.max(0, this.#deadlineMs - this.#clock.monotonic());
  }

  shortenTo(leftMs: number): void {
    if (leftMs >= this.leftMs) return;
    this.#deadlineMs = this.#clock.monotonic() + leftMs;
    this.#nearer.abort();
    this.#nearer = new AbortController();
  }

  /** True once the promise has settled, false when the time, or the longer `atLeastMs`, is over before. */
  async covers(promise: Promise<unknown>, atLeastMs: number = 0): Promise<boolean> {
    const least = this.#clock.monotonic() + atLeastMs;
    const state = { settled: false };
    const settle = (): void => {
      state.settled = true;
    };
    const done = promise.then(settle, settle);
    // So that a promise which has settled already counts even without any time left.
    await Promise.race([done, Promise.resolve().then(() => undefined)]);
    for (;;) {
      if (state.settled) return true;
      const leftMs = Math.max(this.leftMs, least - this.#clock.monotonic());
      if (leftMs <= 0) return false;
      const stop = new AbortController();
      const sleep = this.#clock
        .sleep(leftMs, AbortSignal.any([stop.signal, this.#nearer.signal]))
        .catch(() => undefined);
      await Promise.race([done, sleep]);
      stop.abort();
    }
  }
}
