// What a pod's containers need next. Pure, and level-triggered: it looks at what is, never at what happened.
import type { PodSpec } from "@wherry/kube";
import type { ContainerRecord } from "./record.ts";

export interface Decision {
  /** Containers to start now. */
  readonly start: readonly ContainerRecord[];
  /** Sidecars to stop: the app containers are done. */
  readonly stop: readonly ContainerRecord[];
  /** The pod is over. */
  readonly outcome: "Succeeded" | "Failed" | undefined;
  /** When to look again, if nothing happens before. */
  readonly wakeAtMs: number | undefined;
}

export function decide(spec: PodSpec, records: readonly ContainerRecord[], nowMs: number): Decision {
  const start: ContainerRecord[] = [];
  let wakeAtMs = Number.POSITIVE_INFINITY;
  /** Starts it, or says when. */
  const startWhenDue = (record: ContainerRecord): void => {
    if (record.busy) return;
    if (record.notBeforeMs <= nowMs) start.push(record);
    else wakeAtMs = Math.min(wakeAtMs, record.notBeforeMs);
  };
  const answer = (more?: Partial<Decision>): Decision => ({
    start,
    stop: [],
    outcome: undefined,
    wakeAtMs: Number.isFinite(wakeAtMs) ? wakeAtMs : undefined,
    ...more,
  });
  const over = (outcome: "Succeeded" | "Failed"): Decision => {
    const sidecars = records.filter((record) => record.kind === "sidecar");
    const alive = sidecars.filter((record) => record.state.phase === "running" || record.busy);
    if (alive.length === 0) return answer({ start: [], outcome, wakeAtMs: undefined });
    return answer({ start: [], stop: alive.filter((record) => !record.busy), wakeAtMs: undefined });
  };

  const apps = records.filter((record) => record.kind === "app");
  const appsBegan = apps.some((record) => record.attempt >= 0);
  const appsDone = appsBegan && apps.every((record) => isDone(record, spec.restartPolicy));
  for (const record of records.filter((candidate) => candidate.kind !== "app")) {
    const { state } = record;
    if (record.kind === "sidecar") {
      if (appsDone) continue;
      if (state.phase !== "running") startWhenDue(record);
      if (!record.started && !appsBegan) return answer();
    } else if (!appsBegan) {
      if (state.phase === "ended" && state.terminated.exitCode === 0) continue;
      if (state.phase === "ended" && spec.restartPolicy === "Never") return over("Failed");
      if (state.phase !== "running") startWhenDue(record);
      return answer();
    }
  }
  if (appsDone)
    return over(
      apps.some((r) => r.state.phase === "ended" && r.state.terminated.exitCode !== 0) ? "Failed" : "Succeeded",
    );
  for (const record of apps)
    if (record.state.phase !== "running" && !isDone(record, spec.restartPolicy)) startWhenDue(record);
  return answer();
}

/** It has ended and stays so. */
export function isDone(record: ContainerRecord, restartPolicy: string | undefined): boolean {
  if (record.state.phase !== "ended") return false;
  const policy = record.spec.restartPolicy ?? restartPolicy ?? "Always";
  return policy === "Never" || (policy === "OnFailure" && record.state.terminated.exitCode === 0);
}
