// One step of a rolling update (upstream pkg/controller/deployment/rolling.go). Pure: changes drafts only.
import type { Deployment } from "@wherry/kube";
import { boundsOf, isRollingUpdate, replicasOf } from "./bounds.ts";
import { desiredOf, isActiveSet, oldestFirst, type SetDraft, statusSum } from "./sets.ts";

export type Scale = (set: SetDraft, replicas: number) => void;

/** How many pods the current set may have now. */
export function currentReplicas(deployment: Deployment, all: readonly SetDraft[], current: SetDraft): number {
  const replicas = replicasOf(deployment);
  if (!isRollingUpdate(deployment)) return replicas;
  const room = replicas + boundsOf(deployment).maxSurge - desiredOf(all);
  if (room <= 0) return current.replicas;
  return current.replicas + Math.min(room, replicas - current.replicas);
}

/** Scales the current set up into the room there is, else the old ones down as far as availability lets it. */
export function stepRolling(
  deployment: Deployment,
  current: SetDraft,
  old: readonly SetDraft[],
  scale: Scale,
): "scaled" | "unchanged" {
  const replicas = replicasOf(deployment);
  if (current.replicas > replicas) {
    scale(current, replicas);
    return "scaled";
  }
  const grown = currentReplicas(deployment, [...old, current], current);
  if (grown > current.replicas) {
    scale(current, grown);
    return "scaled";
  }
  return shrinkOld(deployment, current, oldestFirst(old.filter(isActiveSet)), scale);
}

function shrinkOld(
  deployment: Deployment,
  current: SetDraft,
  old: readonly SetDraft[],
  scale: Scale,
): "scaled" | "unchanged" {
  if (old.length === 0) return "unchanged";
  const floor = replicasOf(deployment) - boundsOf(deployment).maxUnavailable;
  // The current set's own missing pods count against the budget: they must not make old, working ones go.
  const currentMissing = current.replicas - statusSum([current], "availableReplicas");
  const cap = desiredOf([...old, current]) - floor - currentMissing;
  if (cap <= 0) return "unchanged";
  const unhealthy = removeUnhealthy(old, cap, scale);
  // While a set's status is as new as its spec, the spare pods never exceed what is left of the cap. When the status lags, the
  // cap keeps the same pods from being removed twice; upstream has no such guard here.
  const spare = statusSum([...old, current], "availableReplicas") - floor;
  const healthy = removeHealthy(old, Math.min(spare, cap - unhealthy), scale);
  return unhealthy + healthy > 0 ? "scaled" : "unchanged";
}

/** Pods that aren't available anyway; the ReplicaSet deletes not-ready pods first. */
function removeUnhealthy(old: readonly SetDraft[], cap: number, scale: Scale): number {
  let removed = 0;
  for (const set of old) {
    const unhealthy = set.replicas - statusSum([set], "availableReplicas");
    const count = Math.min(cap - removed, unhealthy);
    if (count <= 0) continue;
    scale(set, set.replicas - count);
    removed += count;
  }
  return removed;
}

function removeHealthy(old: readonly SetDraft[], spare: number, scale: Scale): number {
  let removed = 0;
  for (const set of old) {
    const count = Math.min(set.replicas, spare - removed);
    if (count <= 0) continue;
    scale(set, set.replicas - count);
    removed += count;
  }
  return removed;
}
