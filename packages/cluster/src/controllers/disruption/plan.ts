// What a PodDisruptionBudget allows at the moment: its status, from its pods and the scale of what made them (upstream
// pkg/controller/disruption/disruption.go). Pure. An eviction is decided by the API, against this status.
import {
  type Condition,
  deepEqual,
  type Pod,
  type PodDisruptionBudget,
  type PodDisruptionBudgetStatus,
  type Stored,
} from "@wherry/kube";
import { limits } from "../limits.ts";
import { controllerOf, isDeleting, timeOf, timestamp } from "../objects.ts";
import { isReady } from "../pods.ts";

/** What keeps a number of pods: a Deployment, or a ReplicaSet without one. */
export interface Scale {
  readonly uid: string;
  readonly replicas: number;
}

export interface BudgetFacts {
  readonly budget: Stored<PodDisruptionBudget>;
  /** Those that its selector selects. */
  readonly pods: readonly Stored<Pod>[];
  /** Of a pod that has a controller; undefined when that is nothing with a known scale. */
  readonly scaleOf: (pod: Stored<Pod>) => Scale | undefined;
  readonly nowMs: number;
}

export interface BudgetPlan {
  readonly status: PodDisruptionBudgetStatus;
  /** When an evicted pod must be gone; undefined when none is waited for. */
  readonly recheckAfterMs: number | undefined;
  /** Pods that were evicted and are still there. */
  readonly notDeleted: readonly Stored<Pod>[];
  /** Pods that nothing keeps a number of. */
  readonly unmanaged: readonly Stored<Pod>[];
}

/** The number of pods that are wanted can't be told. */
export class UnknownScaleError extends Error {}

/** @throws UnknownScaleError */
export function planBudget(facts: BudgetFacts): BudgetPlan {
  const { budget, pods, nowMs } = facts;
  const { expectedPods, desiredHealthy } = wanted(facts);
  const { disruptedPods, recheckAfterMs, notDeleted } = disrupted(facts);
  const isHealthy = (pod: Stored<Pod>): boolean =>
    !isDeleting(pod) && disruptedPods[pod.metadata.name] === undefined && isReady(pod);
  const currentHealthy = pods.filter(isHealthy).length;
  // A budget without any pods allows nothing: its first ones may be there before this loop has seen them.
  const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  const { generation } = budget.metadata;
  const counts = { currentHealthy, desiredHealthy, disruptionsAllowed, expectedPods };
  const verdict =
    disruptionsAllowed > 0
      ? { status: "True", reason: "SufficientPods", message: "" }
      : { status: "False", reason: "InsufficientPods", message: "" };
  return {
    status: {
      ...counts,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      ...(Object.keys(disruptedPods).length === 0 ? {} : { disruptedPods }),
      conditions: withAllowed(budget, verdict, generation, nowMs),
    },
    recheckAfterMs,
    notDeleted,
    unmanaged: pods.filter((pod) => controllerOf(pod) === undefined),
  };
}

/** Nothing is allowed while it is not known what is wanted. */
export function failedStatus(
  budget: Stored<PodDisruptionBudget>,
  why: Error,
  nowMs: number,
): PodDisruptionBudgetStatus {
  const verdict = { status: "False", reason: "SyncFailed", message: why.message };
  const observed = budget.status?.observedGeneration;
  return {
    ...budget.status,
    disruptionsAllowed: 0,
    conditions: withAllowed(budget, verdict, observed, nowMs),
  };
}

/** An absent count is 0. */
export function sameStatus(a: PodDisruptionBudgetStatus | undefined, b: PodDisruptionBudgetStatus): boolean {
  const filled = (status: PodDisruptionBudgetStatus | undefined): unknown => ({
    ...{ currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
    disruptedPods: {},
    ...status,
  });
  return deepEqual(filled(a), filled(b));
}

function wanted({ budget, pods, scaleOf }: BudgetFacts): { expectedPods: number; desiredHealthy: number } {
  const { maxUnavailable, minAvailable } = budget.spec ?? {};
  if (maxUnavailable !== undefined) {
    const expectedPods = expectedScale(pods, scaleOf);
    return { expectedPods, desiredHealthy: Math.max(0, expectedPods - resolved(maxUnavailable, expectedPods)) };
  }
  if (typeof minAvailable === "number") return { expectedPods: pods.length, desiredHealthy: minAvailable };
  if (minAvailable === undefined) return { expectedPods: 0, desiredHealthy: 0 };
  const expectedPods = expectedScale(pods, scaleOf);
  return { expectedPods, desiredHealthy: resolved(minAvailable, expectedPods) };
}

/** Percentages are rounded up, of what may be missing too: of any share above 0 % at least one pod may be. */
function resolved(value: number | string, total: number): number {
  return typeof value === "number" ? value : Math.ceil((Number(value.replace("%", "")) * total) / 100);
}

/** What the pods' controllers keep together, each counted once. Pods without one don't count. */
function expectedScale(pods: readonly Stored<Pod>[], scaleOf: BudgetFacts["scaleOf"]): number {
  const scales = new Map<string, number>();
  for (const pod of pods) {
    if (controllerOf(pod) === undefined) continue;
    const scale = scaleOf(pod);
    if (scale === undefined) throw new UnknownScaleError(`found no controllers for pod "${pod.metadata.name}"`);
    scales.set(scale.uid, scale.replicas);
  }
  return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0);
}

/** The evictions that were allowed, of pods that are not being deleted yet, for as long as they may take. */
function disrupted({ budget, pods, nowMs }: BudgetFacts): {
  readonly disruptedPods: { readonly [name: string]: string };
  readonly recheckAfterMs: number | undefined;
  readonly notDeleted: readonly Stored<Pod>[];
} {
  const before = budget.status?.disruptedPods ?? {};
  const disruptedPods: Record<string, string> = {};
  const notDeleted: Stored<Pod>[] = [];
  let recheckAfterMs: number | undefined;
  for (const pod of pods) {
    const since = Object.hasOwn(before, pod.metadata.name) ? before[pod.metadata.name] : undefined;
    if (isDeleting(pod) || since === undefined) continue;
    const leftMs = timeOf(since) + limits.disruptedPodMs - nowMs;
    if (leftMs <= 0) {
      notDeleted.push(pod);
      continue;
    }
    disruptedPods[pod.metadata.name] = since;
    recheckAfterMs = Math.min(recheckAfterMs ?? leftMs, leftMs);
  }
  return { disruptedPods, recheckAfterMs, notDeleted };
}

const allowedType = "DisruptionAllowed";

function withAllowed(
  budget: Stored<PodDisruptionBudget>,
  verdict: Pick<Condition, "status" | "reason" | "message">,
  observedGeneration: number | undefined,
  nowMs: number,
): readonly Condition[] {
  const present = budget.status?.conditions ?? [];
  const before = present.find(({ type }) => type === allowedType);
  const lastTransitionTime = before?.status === verdict.status ? before.lastTransitionTime : timestamp(nowMs);
  const generation = observedGeneration === undefined ? {} : { observedGeneration };
  return [
    ...present.filter(({ type }) => type !== allowedType),
    { type: allowedType, ...verdict, ...generation, lastTransitionTime },
  ];
}
