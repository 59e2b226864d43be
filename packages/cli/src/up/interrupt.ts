// Ctrl-C, twice: the first asks to drain and stop, the second to stop at once. SIGTERM and a closed terminal count as one.
import type { Clock } from "@wherry/core";
import { cliLimits } from "../limits.ts";

export class Interrupt {
  /** Resolves with the first signal. */
  readonly first: Promise<void>;
  readonly second: Promise<void>;
  readonly #clock: Clock;
  readonly #fire: (() => void)[] = [];
  #lastMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    const next = (): Promise<void> =>
      new Promise((resolve) => {
        this.#fire.push(resolve);
      });
    this.first = next();
    this.second = next();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, this.#onSignal);
  }

  /** npm passes the terminal's Ctrl-C on to a child that has had it already: close together, two are one. */
  readonly #onSignal = (): void => {
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#lastMs < cliLimits.signalOnceMs) return;
    this.#lastMs = nowMs;
    this.#fire.shift()?.();
  };
}
