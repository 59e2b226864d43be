// How many requests a client may have outstanding at this pod. Pure arithmetic on measured service times: a few for slow
// handlers, so that queues stay in the client where they can still go elsewhere; many for fast ones, to hide the round trip.
import { creditInitial, creditMax, creditMin, creditTargetMs } from "../limits.ts";

/** Weight of the newest measurement. */
const weight = 0.3;

export class Credit {
  readonly #concurrency: number;
  #meanMs: number | undefined;
  #current: number;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
    this.#current = Math.min(creditMax, Math.max(creditInitial, concurrency));
  }

  get current(): number {
    return this.#current;
  }

  /** Mean service time, milliseconds; undefined before the first measurement. */
  get meanMs(): number | undefined {
    return this.#meanMs;
  }

  /**
   * Takes in the work of one interval. The credit changes only by a factor of two or more, so that it doesn't flutter.
   * @returns the new credit, or undefined when it stays.
   */
  measure(finished: number, busyMs: number): number | undefined {
    if (finished === 0) return undefined;
    const mean = busyMs / finished;
    this.#meanMs = this.#meanMs === undefined ? mean : this.#meanMs + weight * (mean - this.#meanMs);
    const fitting = Math.round((creditTargetMs * this.#concurrency) / Math.max(this.#meanMs, 1e-3));
    const least = Math.min(creditMax, Math.max(creditMin, this.#concurrency + 1));
    const wanted = Math.min(creditMax, Math.max(least, fitting));
    if (wanted > this.#current / 2 && wanted < this.#current * 2) return undefined;
    this.#current = wanted;
    return wanted;
  }
}
