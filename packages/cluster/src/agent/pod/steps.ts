// The rhythm of a pod's worker: one step at a time, again when it was woken meanwhile, later when it said so, after a pause when
// it failed. It knows nothing of pods.
import { asError, type Clock, type Logger, type Timer } from "@wherry/core";
import { retryFirstMs, retryMaxMs } from "../limits.ts";

export class Steps {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #step: () => Promise<number | undefined>;
  #timer: Timer | undefined;
  #stepping = false;
  #again = false;
  #stopped = false;
  #failures = 0;

  /** @param step answers when to step again if nothing wakes it before, in the clock's milliseconds */
  constructor(clock: Clock, log: Logger, step: () => Promise<number | undefined>) {
    this.#clock = clock;
    this.#log = log;
    this.#step = step;
  }

  wake(): void {
    if (this.#stepping) this.#again = true;
    else if (!this.#stopped) void this.#steps();
  }

  /** No step while this is under way, nor after it: the next `wake` takes the next one. */
  async without(work: () => Promise<void>): Promise<void> {
    this.#stepping = true;
    try {
      await work();
    } finally {
      this.#stepping = false;
    }
  }

  /** For good. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #steps(): Promise<void> {
    this.#stepping = true;
    do await this.#tryStep();
    while (this.#again && !this.#stopped);
    this.#stepping = false;
  }

  async #tryStep(): Promise<void> {
    this.#again = false;
    try {
      this.#wakeAt(await this.#step());
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      const waitMs = Math.min(retryFirstMs * 2 ** (this.#failures - 1), retryMaxMs);
      if (!this.#stopped)
        this.#log.warn({ err: asError(error), waitMs }, "a step of a pod failed, again after a pause");
      this.#wakeAt(this.#clock.now() + waitMs);
    }
  }

  #wakeAt(atMs: number | undefined): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (atMs === undefined || !Number.isFinite(atMs) || this.#stopped) return;
    this.#timer = this.#clock.timer(Math.max(0, atMs - this.#clock.now()), () => this.wake(), { background: true });
  }
}
