// The API server's upkeep: history that nobody needs is forgotten, and Events that are old are removed. On a timer; a
// failure is logged and tried again at the next turn.
import { asError, type Clock, type Logger } from "@wherry/core";
import type { Event } from "@wherry/kube";
import type { Backend } from "../store/types.ts";
import { limits } from "./limits.ts";
import type { Registry } from "./registry/registry.ts";

export interface MaintenanceEnvironment {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Registry;
}

export function startMaintenance(env: MaintenanceEnvironment, signal: AbortSignal): void {
  // Compacting to where the store was a turn ago keeps every version for at least one turn.
  let through = env.backend.revision;
  every(env, limits.compactEveryMs, signal, async () => {
    const target = through;
    through = env.backend.revision;
    if (target > env.backend.compactRevision) await env.backend.compact(target);
  });
  every(env, limits.eventSweepEveryMs, signal, () => removeOldEvents(env));
}

function every(
  { clock, log }: MaintenanceEnvironment,
  periodMs: number,
  signal: AbortSignal,
  work: () => Promise<void>,
): void {
  const turn = (): void => {
    if (signal.aborted) return;
    work()
      .catch((problem: unknown) =>
        log.error({ err: asError(problem) }, "upkeep of the store failed; it is tried again"),
      )
      .finally(schedule);
  };
  let timer: { cancel(): void } | undefined;
  const schedule = (): void => {
    if (!signal.aborted) timer = clock.timer(periodMs, turn, { background: true });
  };
  signal.addEventListener("abort", () => timer?.cancel(), { once: true });
  schedule();
}

async function removeOldEvents({ events, clock }: MaintenanceEnvironment): Promise<void> {
  const before = clock.now() - limits.eventTtlMs;
  const old = events
    .list(undefined, { matches: (object) => lastSeenMs(object as Event) < before })
    .entries.map((entry) => events.item(entry).object.metadata);
  for (const { namespace, name, uid } of old) {
    try {
      await events.delete(namespace, name, { preconditions: { uid } }, { dryRun: false, admit: () => undefined });
    } catch (problem) {
      // Removed or replaced meanwhile: as well.
      if (![404, 409].includes((problem as { httpStatus?: number }).httpStatus ?? 0)) throw problem;
    }
  }
}

function lastSeenMs({ metadata, lastTimestamp, eventTime, series }: Event): number {
  const times = [series?.lastObservedTime, lastTimestamp, eventTime, metadata.creationTimestamp]
    .map((time) => Date.parse(time ?? ""))
    .filter((ms) => !Number.isNaN(ms));
  return Math.max(0, ...times);
}
