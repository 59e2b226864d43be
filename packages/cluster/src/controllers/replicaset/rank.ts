// Which pods of a ReplicaSet go first when there are too many. Pure.
// Mirrors ActivePodsWithRanks of upstream's pkg/controller/controller_utils.go.
import type { Pod, Stored } from "@wherry/kube";
import { timeOf } from "../objects.ts";
import { isReady, readySinceMs } from "../pods.ts";

const deletionCost = "controller.kubernetes.io/pod-deletion-cost";

const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * The order in which pods are deleted: the first one first.
 * @param sameNode how many active pods of the same owner group run on the pod's node: the fuller node gives first.
 */
export function deletionOrder(
  pods: readonly Stored<Pod>[],
  sameNode: (pod: Stored<Pod>) => number,
  nowMs: number,
): Stored<Pod>[] {
  return [...pods].sort((a, b) => compare(a, b, sameNode, nowMs));
}

function compare(a: Stored<Pod>, b: Stored<Pod>, sameNode: (pod: Stored<Pod>) => number, nowMs: number): number {
  return (
    Number(isAssigned(a)) - Number(isAssigned(b)) ||
    rankOfPhase(a) - rankOfPhase(b) ||
    Number(isReady(a)) - Number(isReady(b)) ||
    costOf(a) - costOf(b) ||
    sameNode(b) - sameNode(a) ||
    compareReadyTime(a, b, nowMs) ||
    restartsOf(b, "containerStatuses") - restartsOf(a, "containerStatuses") ||
    restartsOf(b, "initContainerStatuses") - restartsOf(a, "initContainerStatuses") ||
    compareAges(timeOf(a.metadata.creationTimestamp), timeOf(b.metadata.creationTimestamp), a, b, nowMs)
  );
}

function isAssigned(pod: Pod): boolean {
  return (pod.spec?.nodeName ?? "") !== "";
}

function rankOfPhase(pod: Pod): number {
  return phaseRank[pod.status?.phase ?? "Pending"] ?? 0;
}

/** An int32; anything else counts as 0 (upstream helper.GetDeletionCostFromPodAnnotations). */
function costOf(pod: Pod): number {
  const text = pod.metadata?.annotations?.[deletionCost] ?? "0";
  if (!/^-?(0|[1-9]\d{0,9})$/.test(text)) return 0;
  const cost = Number(text);
  return cost >= -(2 ** 31) && cost < 2 ** 31 ? cost : 0;
}

/** Ready for a shorter time goes first. Only asked where both are ready or both are not. */
function compareReadyTime(a: Stored<Pod>, b: Stored<Pod>, nowMs: number): number {
  const [readyA, readyB] = [readySinceMs(a), readySinceMs(b)];
  if (readyA === undefined || readyB === undefined || readyA === readyB) return 0;
  return compareAges(readyA, readyB, a, b, nowMs);
}

/** Times are compared on a logarithmic scale, so that which of some similar ones goes is spread evenly (KEP-2185). */
function compareAges(sinceA: number, sinceB: number, a: Stored<Pod>, b: Stored<Pod>, nowMs: number): number {
  const [rankA, rankB] = [logarithmicAge(sinceA, nowMs), logarithmicAge(sinceB, nowMs)];
  if (rankA !== rankB) return rankA - rankB;
  return a.metadata.uid < b.metadata.uid ? -1 : a.metadata.uid > b.metadata.uid ? 1 : 0;
}

function logarithmicAge(sinceMs: number, nowMs: number): number {
  const ageNanoseconds = (nowMs - sinceMs) * 1e6;
  return ageNanoseconds <= 0 ? -1 : Math.floor(Math.log2(ageNanoseconds));
}

function restartsOf(pod: Pod, statuses: "containerStatuses" | "initContainerStatuses"): number {
  return (pod.status?.[statuses] ?? []).reduce((most, { restartCount }) => Math.max(most, restartCount), 0);
}
