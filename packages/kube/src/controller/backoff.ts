// Waits that double, with jitter, for whoever talks to a server that may be down (client-go: wait.Backoff of the reflector).
import type { Clock, Random } from "@wherry/core";

export interface BackoffOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly firstMs: number;
  readonly maxMs: number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#nextMs = options.firstMs;
  }

  reset(): void {
    this.#nextMs = this.#options.firstMs;
  }

  /** Waits between one and two times the current step, at most `maxMs`, and doubles the step. Rejects when aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    const { clock, random, maxMs } = this.#options;
    const delayMs = Math.min(maxMs, this.#nextMs * (1 + random.next()));
    this.#nextMs = Math.min(maxMs, this.#nextMs * 2);
    await clock.sleep(delayMs, signal);
  }
}
