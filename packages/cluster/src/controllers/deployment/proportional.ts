// Scaling a Deployment whose rollout is under way or paused: the change is shared out over its active sets in proportion to
// their size (upstream sync.go `scale`, deployment_util.go `GetReplicaSetProportion`). Pure: changes drafts only.
import type { Deployment } from "@wherry/kube";
import { boundsOf, isRollingUpdate, replicasOf } from "./bounds.ts";
import type { Scale } from "./rolling.ts";
import {
  annotation,
  createdMsOf,
  desiredOf,
  isActiveSet,
  numberIn,
  oldestFirst,
  type SetDraft,
  setReplicasAnnotations,
  statusSum,
} from "./sets.ts";

/** True when spec.replicas is not what the active sets were last sized for. */
export function isScalingEvent(deployment: Deployment, all: readonly SetDraft[]): boolean {
  return all.filter(isActiveSet).some((set) => {
    const desired = numberIn(set, annotation.desiredReplicas);
    return desired !== undefined && desired !== replicasOf(deployment);
  });
}

export function scaleProportionally(
  deployment: Deployment,
  current: SetDraft | undefined,
  old: readonly SetDraft[],
  scale: Scale,
): void {
  const replicas = replicasOf(deployment);
  const only = activeOrLatest(current, old);
  if (only !== undefined) {
    if (only.replicas !== replicas) scale(only, replicas);
    return;
  }
  if (current !== undefined && isSaturated(deployment, current)) {
    for (const set of old.filter(isActiveSet)) scale(set, 0);
    return;
  }
  if (!isRollingUpdate(deployment)) return;
  const all = [...old, ...(current === undefined ? [] : [current])].filter(isActiveSet);
  for (const [set, size] of shares(deployment, all)) {
    if (size !== set.replicas) scale(set, size);
    setReplicasAnnotations(set, deployment);
  }
}

/** The one set that takes all pods: the only active one, or the newest if none is. Undefined when several are active. */
function activeOrLatest(current: SetDraft | undefined, old: readonly SetDraft[]): SetDraft | undefined {
  const active = [...old, ...(current === undefined ? [] : [current])].filter(isActiveSet);
  if (active.length > 1) return undefined;
  return active[0] ?? current ?? oldestFirst(old).at(-1);
}

/** All pods belong to the current set already, and are available. */
function isSaturated(deployment: Deployment, current: SetDraft): boolean {
  const replicas = replicasOf(deployment);
  return (
    current.replicas === replicas &&
    numberIn(current, annotation.desiredReplicas) === replicas &&
    statusSum([current], "availableReplicas") === replicas
  );
}

function shares(deployment: Deployment, active: readonly SetDraft[]): Map<SetDraft, number> {
  const replicas = replicasOf(deployment);
  const allowed = replicas === 0 ? 0 : replicas + boundsOf(deployment).maxSurge;
  const toAdd = allowed - desiredOf(active);
  const newerFirst = toAdd > 0 ? -1 : 1;
  const biggestFirst = [...active].sort(
    (a, b) => b.replicas - a.replicas || newerFirst * (createdMsOf(a) - createdMsOf(b)),
  );
  let added = 0;
  const sizes = new Map<SetDraft, number>();
  for (const set of biggestFirst) {
    const left = toAdd - added;
    const fraction = fractionOf(deployment, set);
    const share = toAdd > 0 ? Math.min(fraction, left) : toAdd < 0 ? Math.max(fraction, left) : 0;
    sizes.set(set, set.replicas + share);
    added += share;
  }
  const first = biggestFirst[0];
  // Rounding leaves some over: they go to the biggest.
  if (first !== undefined) sizes.set(first, Math.max(0, (sizes.get(first) ?? 0) + toAdd - added));
  return sizes;
}

/** By how much the set's size changes if its part of the whole stays the same. */
function fractionOf(deployment: Deployment, set: SetDraft): number {
  const replicas = replicasOf(deployment);
  if (replicas === 0) return -set.replicas;
  const before = numberIn(set, annotation.maxReplicas) || (deployment.status?.replicas ?? 0);
  if (before === 0) return 0;
  const size = (set.replicas * (replicas + boundsOf(deployment).maxSurge)) / before;
  return Math.round(size) - set.replicas;
}
