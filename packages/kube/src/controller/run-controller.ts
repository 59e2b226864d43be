// The loop around a reconciler: workers take keys, run it, and decide what happens to the key. It never looks at objects.
import { asError } from "@wherry/core";
import { StatusError } from "../status.ts";
import { workerSliceMs } from "./limits.ts";
import type { Key, LoopEnvironment, Reconciler, WorkQueue } from "./types.ts";

export interface RunOptions {
  readonly reconciler: Reconciler;
  readonly queue: WorkQueue;
  /** How many keys are processed at the same time; 1 when absent. */
  readonly workers?: number;
  readonly env: Pick<LoopEnvironment, "clock" | "log">;
}

/**
 * Runs until the signal aborts, and resolves when the last worker has finished the key that it had. A failed key comes again
 * after its back-off; the loop itself never fails.
 */
export async function runController(options: RunOptions, signal: AbortSignal): Promise<void> {
  const loop = new Loop(options, signal);
  const workers = Array.from({ length: options.workers ?? 1 }, () => loop.work());
  await Promise.all(workers);
}

class Loop {
  readonly #options: RunOptions;
  readonly #signal: AbortSignal;
  #sliceStartMs: number;

  constructor(options: RunOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#sliceStartMs = options.env.clock.monotonic();
  }

  async work(): Promise<void> {
    const { queue } = this.#options;
    for (;;) {
      const key = await queue.take(this.#signal);
      if (key === undefined) return;
      try {
        await this.#process(key);
      } finally {
        queue.done(key);
      }
      await this.#giveOthersATurn();
    }
  }

  async #process(key: Key): Promise<void> {
    const { queue, reconciler, env } = this.#options;
    const attempt = queue.failures(key);
    const log = env.log.child({ controller: reconciler.name, key });
    try {
      const outcome = await reconciler.reconcile(key, { signal: this.#signal, log, attempt });
      queue.forget(key);
      if (outcome !== undefined) queue.addAfter(key, outcome.requeueAfterMs);
    } catch (error) {
      if (this.#signal.aborted) return;
      queue.addRateLimited(key);
      const fields = { err: asError(error), attempt };
      // Someone else wrote in between: the cache was behind, the next try sees the newer object. Nobody needs to know.
      if (isRace(error)) log.debug(fields, "reconciling met a newer object, again");
      else log.error(fields, "reconciling failed, again after a pause");
    }
  }

  /** In-process calls resolve without I/O: a long queue would keep timers and sockets waiting. */
  async #giveOthersATurn(): Promise<void> {
    const { clock } = this.#options.env;
    if (clock.monotonic() - this.#sliceStartMs < workerSliceMs) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#sliceStartMs = clock.monotonic();
  }
}

function isRace(error: unknown): boolean {
  return error instanceof StatusError && (error.reason === "Conflict" || error.reason === "AlreadyExists");
}
