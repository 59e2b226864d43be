// A ReplicaSet's status (upstream pkg/controller/replicaset/replica_set_utils.go). Pure.
import {
  deepEqual,
  type Pod,
  type ReplicaSet,
  type ReplicaSetCondition,
  type ReplicaSetStatus,
  type Stored,
} from "@wherry/kube";
import { timestamp } from "../objects.ts";
import { isActive, isAvailable, isReady, readySinceMs } from "../pods.ts";

/** What went wrong when pods were made or deleted. */
export interface ManageFailure {
  readonly reason: "FailedCreate" | "FailedDelete";
  readonly message: string;
}

export function replicaSetStatus(
  set: Stored<ReplicaSet>,
  pods: readonly Stored<Pod>[],
  failure: ManageFailure | undefined,
  nowMs: number,
): ReplicaSetStatus {
  const active = pods.filter(isActive);
  const template = Object.entries(set.spec?.template?.metadata?.labels ?? {});
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const { generation } = set.metadata;
  const conditions = conditionsOf(set, failure, nowMs);
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter(({ metadata: { labels } }) =>
      template.every(([key, value]) => labels?.[key] === value),
    ).length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: active.filter((pod) => isAvailable(pod, minReadySeconds, nowMs)).length,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

/** A missing count is 0: the API leaves out what is empty. */
export function sameStatus(a: ReplicaSetStatus | undefined, b: ReplicaSetStatus): boolean {
  const filled = (status: ReplicaSetStatus | undefined): unknown => ({
    fullyLabeledReplicas: 0,
    readyReplicas: 0,
    availableReplicas: 0,
    conditions: [],
    replicas: 0,
    ...status,
  });
  return deepEqual(filled(a), filled(b));
}

/** How long until the next ready pod becomes available, in ms; undefined when none is waiting. */
export function nextAvailableMs(set: ReplicaSet, pods: readonly Pod[], nowMs: number): number | undefined {
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  let soonest: number | undefined;
  for (const pod of pods) {
    const since = readySinceMs(pod);
    if (since === undefined || !isActive(pod) || isAvailable(pod, minReadySeconds, nowMs)) continue;
    const waitMs = since + minReadySeconds * 1000 - nowMs;
    soonest = Math.min(soonest ?? waitMs, waitMs);
  }
  return soonest;
}

function conditionsOf(
  set: ReplicaSet,
  failure: ManageFailure | undefined,
  nowMs: number,
): readonly ReplicaSetCondition[] {
  const present = set.status?.conditions ?? [];
  const others = present.filter(({ type }) => type !== "ReplicaFailure");
  if (failure === undefined) return others;
  // The first failure stays until a pass succeeds: its time says since when.
  if (others.length < present.length) return present;
  const { reason, message } = failure;
  return [...others, { type: "ReplicaFailure", status: "True", reason, message, lastTransitionTime: timestamp(nowMs) }];
}
