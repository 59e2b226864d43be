// Forgets the past after a while: every minute it compacts through what was the newest revision five minutes ago.
import { asError, type Clock, type Logger } from "@wherry/core";
import { compactionIntervalMs, historyKeptMs } from "./limits.ts";
import type { Backend, Revision } from "./types.ts";

export interface CompactorOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** How long the past stays readable; `limits.historyKeptMs` when absent. */
  readonly keptMs?: number;
  /** How often it looks; `limits.compactionIntervalMs` when absent. */
  readonly intervalMs?: number;
}

/** Runs until the signal aborts; never throws. */
export async function startCompactor(backend: Backend, options: CompactorOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, keptMs = historyKeptMs, intervalMs = compactionIntervalMs } = options;
  const marks: { readonly atMs: number; readonly revision: Revision }[] = [];
  while (!signal.aborted) {
    const nowMs = clock.monotonic();
    marks.push({ atMs: nowMs, revision: backend.revision });
    const old = marks.filter((mark) => nowMs - mark.atMs >= keptMs);
    marks.splice(0, old.length);
    const through = old.at(-1)?.revision ?? 0;
    if (through > backend.compactRevision)
      await backend.compact(through).catch((error: unknown) => {
        log.warn({ err: asError(error), through }, "the store could not forget its past");
      });
    await pause(clock, intervalMs, signal);
  }
}

/** A timer that does not keep the process alive; resolves early when the signal aborts. */
function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.timer(delayMs, done, { background: true });
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
