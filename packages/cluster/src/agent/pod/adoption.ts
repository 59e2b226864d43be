// What the stored status and an earlier daemon's instance say of a container. Pure but for the record.
import type { Pod } from "@wherry/kube";
import { restartDelayFirstMs, restartDelayMaxMs } from "../limits.ts";
import type { Container } from "../runtime/types.ts";
import type { ContainerRecord } from "./record.ts";
import { rfc3339 } from "./status.ts";

/**
 * Puts the record where it was: count, readiness, last end. The status may be one instance behind: the daemon can have died between a
 * start and the write. @param container undefined: it was being started, and nothing of it is left
 */
export function restoreRecord(
  record: ContainerRecord,
  pod: Pod,
  attempt: number,
  container: Container | undefined,
): void {
  const all = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const known = all.find((status) => status.name === record.name);
  const same = known?.restartCount === attempt ? known : undefined;
  record.attempt = attempt;
  record.last =
    same === undefined ? (known?.state?.terminated ?? known?.lastState?.terminated) : same.lastState?.terminated;
  if (container === undefined) return;
  // The back-off that a container with so many restarts has reached, so that a new daemon is no way around it.
  if (attempt > 0)
    record.restartDelayMs = Math.min(restartDelayFirstMs * 2 ** Math.min(attempt - 1, 10), restartDelayMaxMs);
  if (container.state.phase !== "running") return;
  const startedAt = same?.state?.running?.startedAt ?? rfc3339(container.state.startedAtMs);
  record.state = { phase: "running", startedAt };
  record.started = same?.started ?? false;
  record.ready = same?.ready ?? false;
}
