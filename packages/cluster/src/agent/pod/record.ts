// What the agent knows of one container of one pod: plain data that decisions and status are computed from.
import type { Container as ContainerSpec, ContainerStateTerminated, Pod } from "@wherry/kube";
import { restartDelayFirstMs, restartDelayMaxMs, restartResetMs } from "../limits.ts";

/** `init` runs to its end before the next; `sidecar` is an init container with restartPolicy Always; `app` is the rest. */
type ContainerKind = "init" | "sidecar" | "app";

type RecordState =
  /** No instance yet, or the next one is being prepared. */
  | { readonly phase: "waiting"; readonly reason?: string; readonly message?: string }
  | { readonly phase: "running"; readonly startedAt: string }
  | { readonly phase: "ended"; readonly terminated: ContainerStateTerminated; readonly endedAtMs: number };

export interface ContainerRecord {
  readonly name: string;
  readonly kind: ContainerKind;
  readonly spec: ContainerSpec;
  state: RecordState;
  /** How the instance before the current one ended. */
  last: ContainerStateTerminated | undefined;
  /** The current instance's number; restartCount of the status. -1: there was none. */
  attempt: number;
  started: boolean;
  ready: boolean;
  /** A start or stop is under way: leave it alone. */
  busy: boolean;
  /** The wait before the next restart; 0: at once. */
  restartDelayMs: number;
  /** Not to be tried before. */
  notBeforeMs: number;
  /** The attempt whose back-off was said in an event. */
  reportedAttempt: number;
  /** How often preparing failed in a row. */
  failures: number;
}

export function recordsOf(pod: Pod): ContainerRecord[] {
  const record = (kind: ContainerKind, spec: ContainerSpec): ContainerRecord => ({
    name: spec.name,
    kind,
    spec,
    state: { phase: "waiting" },
    last: undefined,
    attempt: -1,
    started: false,
    ready: false,
    busy: false,
    restartDelayMs: 0,
    notBeforeMs: 0,
    reportedAttempt: -1,
    failures: 0,
  });
  return [
    ...(pod.spec?.initContainers ?? []).map((spec) =>
      record(spec.restartPolicy === "Always" ? "sidecar" : "init", spec),
    ),
    ...(pod.spec?.containers ?? []).map((spec) => record("app", spec)),
  ];
}

/** The container has ended: what its end means for the next start. First restart at once, then 10 s, doubling to 300 s. */
export function recordEnd(
  record: ContainerRecord,
  terminated: ContainerStateTerminated,
  ranMs: number,
  endedAtMs: number,
): void {
  if (ranMs >= restartResetMs) record.restartDelayMs = 0;
  record.notBeforeMs = endedAtMs + record.restartDelayMs;
  record.state = { phase: "ended", terminated, endedAtMs };
  record.started = false;
  record.ready = false;
}

/** The container is started again: the next end waits longer. */
export function recordRestart(record: ContainerRecord): void {
  if (record.state.phase === "ended") {
    record.last = record.state.terminated;
    record.restartDelayMs =
      record.restartDelayMs === 0 ? restartDelayFirstMs : Math.min(record.restartDelayMs * 2, restartDelayMaxMs);
  }
  record.state = { phase: "waiting" };
}
