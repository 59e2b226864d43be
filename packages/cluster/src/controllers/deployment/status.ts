// A Deployment's status: counts, conditions and their reasons, which `kubectl rollout status` and `wait` read.
// Mirrors upstream sync.go `calculateStatus` and progress.go. Pure.
import type { Deployment, DeploymentCondition, DeploymentStatus, Stored } from "@wherry/kube";
import { timeOf, timestamp } from "../objects.ts";
import { boundsOf, progressDeadlineMs, replicasOf } from "./bounds.ts";
import { desiredOf, type SetDraft, statusSum } from "./sets.ts";

export interface StatusInput {
  readonly deployment: Stored<Deployment>;
  readonly current: SetDraft | undefined;
  readonly old: readonly SetDraft[];
  /** Status as it was, with the conditions that this pass has set already. */
  readonly conditions: readonly DeploymentCondition[];
  readonly nowMs: number;
}

type ConditionContent = Pick<DeploymentCondition, "type" | "status"> & {
  readonly reason: string;
  readonly message: string;
};

/** Counts and availability, without judging progress: for scaling, pausing and deletion. */
export function countedStatus(input: StatusInput): DeploymentStatus {
  const { deployment, current, old, nowMs } = input;
  const all = current === undefined ? old : [...old, current];
  const available = statusSum(all, "availableReplicas");
  const enough = available >= replicasOf(deployment) - boundsOf(deployment).maxUnavailable;
  const conditions = setCondition(input.conditions, enough ? minimumAvailable : minimumUnavailable, nowMs);
  const { generation } = deployment.metadata;
  const collisionCount = deployment.status?.collisionCount;
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    replicas: statusSum(all, "replicas"),
    updatedReplicas: current === undefined ? 0 : statusSum([current], "replicas"),
    readyReplicas: statusSum(all, "readyReplicas"),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, desiredOf(all) - available),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    conditions,
  };
}

const minimumAvailable: ConditionContent = {
  type: "Available",
  status: "True",
  reason: "MinimumReplicasAvailable",
  message: "Deployment has minimum availability.",
};
const minimumUnavailable: ConditionContent = {
  type: "Available",
  status: "False",
  reason: "MinimumReplicasUnavailable",
  message: "Deployment does not have minimum availability.",
};

/** `countedStatus` and how the rollout gets on. */
export function rolloutStatus(input: StatusInput): DeploymentStatus {
  const counted = countedStatus(input);
  const progress = progressConditions(input, counted);
  return { ...counted, conditions: withReplicaFailure(progress, input) };
}

function progressConditions(input: StatusInput, counted: DeploymentStatus): readonly DeploymentCondition[] {
  const { deployment, current, nowMs } = input;
  const conditions = counted.conditions ?? [];
  if (progressDeadlineMs(deployment) === undefined) return without(conditions, "Progressing");
  const progressing = conditionOf(conditions, "Progressing");
  const settled = counted.replicas === counted.updatedReplicas && progressing?.reason === "NewReplicaSetAvailable";
  if (settled) return conditions;
  const subject = current === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${current.name}"`;
  if (isComplete(deployment, counted)) {
    const message = `${subject} has successfully progressed.`;
    const content = { type: "Progressing", status: "True", reason: "NewReplicaSetAvailable", message };
    return setCondition(conditions, content, nowMs);
  }
  if (hasProgressed(deployment, counted)) {
    const message = `${subject} is progressing.`;
    const content = { type: "Progressing", status: "True", reason: "ReplicaSetUpdated", message };
    // Unlike other conditions it is renewed with the same reason: lastUpdateTime is what the deadline counts from.
    return setCondition(without(conditions, "Progressing"), content, nowMs, progressing);
  }
  if (hasTimedOut(deployment, progressing, nowMs)) {
    const message = `${subject} has timed out progressing.`;
    const content = { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message };
    return setCondition(conditions, content, nowMs);
  }
  return conditions;
}

/** All pods are of the current template, there are none too many or too few, and all are available. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const replicas = replicasOf(deployment);
  return (
    status.updatedReplicas === replicas &&
    status.replicas === replicas &&
    status.availableReplicas === replicas &&
    (status.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

function hasProgressed(deployment: Deployment, next: DeploymentStatus): boolean {
  const count = (status: DeploymentStatus | undefined, field: "replicas" | "updatedReplicas" | "readyReplicas") =>
    status?.[field] ?? 0;
  const before = deployment.status;
  const oldPods = (status: DeploymentStatus | undefined): number =>
    count(status, "replicas") - count(status, "updatedReplicas");
  return (
    count(next, "updatedReplicas") > count(before, "updatedReplicas") ||
    oldPods(next) < oldPods(before) ||
    count(next, "readyReplicas") > count(before, "readyReplicas") ||
    (next.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}

function hasTimedOut(deployment: Deployment, progressing: DeploymentCondition | undefined, nowMs: number): boolean {
  const deadlineMs = progressDeadlineMs(deployment);
  if (deadlineMs === undefined || progressing === undefined) return false;
  if (progressing.reason === "NewReplicaSetAvailable") return false;
  if (progressing.reason === "ProgressDeadlineExceeded") return true;
  return timeOf(progressing.lastUpdateTime) + deadlineMs < nowMs;
}

/** When to look again for want of progress, in ms from now; undefined when there is nothing to wait for. */
export function progressCheckMs(deployment: Deployment, status: DeploymentStatus, nowMs: number): number | undefined {
  const deadlineMs = progressDeadlineMs(deployment);
  const progressing = conditionOf(status.conditions ?? [], "Progressing");
  if (deadlineMs === undefined || progressing === undefined || deployment.spec?.paused === true) return undefined;
  if (isComplete(deployment, status) || progressing.reason === "ProgressDeadlineExceeded") return undefined;
  // Timestamps hold whole seconds: one second more, so that the deadline is really over then.
  return Math.max(0, timeOf(progressing.lastUpdateTime) + deadlineMs - nowMs) + 1000;
}

/** What keeps a set from making or deleting pods shows on the Deployment; the current set's failure first. */
function withReplicaFailure(
  conditions: readonly DeploymentCondition[],
  { current, old, nowMs }: StatusInput,
): readonly DeploymentCondition[] {
  for (const set of [...(current === undefined ? [] : [current]), ...old]) {
    const failure = set.origin.status?.conditions?.find(({ type }) => type === "ReplicaFailure");
    if (failure === undefined) continue;
    const { type, status, reason = "", message = "" } = failure;
    return setCondition(conditions, { type, status, reason, message }, nowMs);
  }
  return without(conditions, "ReplicaFailure");
}

/** Pausing and resuming leave a mark, so that the time spent paused isn't taken for a lack of progress. */
export function pauseConditions(deployment: Deployment, nowMs: number): readonly DeploymentCondition[] {
  const conditions = deployment.status?.conditions ?? [];
  if (progressDeadlineMs(deployment) === undefined) return conditions;
  const reason = conditionOf(conditions, "Progressing")?.reason;
  if (reason === "ProgressDeadlineExceeded") return conditions;
  const paused = deployment.spec?.paused === true;
  if (paused === (reason === "DeploymentPaused")) return conditions;
  return setCondition(
    conditions,
    {
      type: "Progressing",
      status: "Unknown",
      reason: paused ? "DeploymentPaused" : "DeploymentResumed",
      message: paused ? "Deployment is paused" : "Deployment is resumed",
    },
    nowMs,
  );
}

export function conditionOf(conditions: readonly DeploymentCondition[], type: string): DeploymentCondition | undefined {
  return conditions.find((condition) => condition.type === type);
}

/** Unchanged where status and reason are the same; `lastTransitionTime` moves with the status only. */
export function setCondition(
  conditions: readonly DeploymentCondition[],
  content: ConditionContent,
  nowMs: number,
  previous: DeploymentCondition | undefined = conditionOf(conditions, content.type),
): readonly DeploymentCondition[] {
  const present = conditionOf(conditions, content.type);
  if (present?.status === content.status && present.reason === content.reason) return conditions;
  const now = timestamp(nowMs);
  const since = previous?.status === content.status ? (previous.lastTransitionTime ?? now) : now;
  return [...without(conditions, content.type), { ...content, lastUpdateTime: now, lastTransitionTime: since }];
}

function without(conditions: readonly DeploymentCondition[], type: string): readonly DeploymentCondition[] {
  return conditions.some((condition) => condition.type === type)
    ? conditions.filter((condition) => condition.type !== type)
    : conditions;
}
