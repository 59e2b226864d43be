// A Deployment's ReplicaSets while a plan is made: a plan changes these drafts, and the difference becomes its writes.
import type { Deployment, ReplicaSet, Stored } from "@wherry/kube";
import { byAge, timeOf } from "../objects.ts";
import { boundsOf, replicasOf } from "./bounds.ts";

export const hashLabel = "pod-template-hash";

export const annotation = {
  revision: "deployment.kubernetes.io/revision",
  revisionHistory: "deployment.kubernetes.io/revision-history",
  desiredReplicas: "deployment.kubernetes.io/desired-replicas",
  maxReplicas: "deployment.kubernetes.io/max-replicas",
} as const;

export interface SetDraft {
  /** As it is; for a set that the plan creates, as it shall be created (without uid). */
  readonly origin: ReplicaSet | Stored<ReplicaSet>;
  readonly isNew: boolean;
  readonly name: string;
  replicas: number;
  minReadySeconds: number;
  annotations: Record<string, string>;
}

export function draftOf(origin: ReplicaSet, isNew = false): SetDraft {
  return {
    origin,
    isNew,
    name: origin.metadata?.name ?? "",
    replicas: origin.spec?.replicas ?? 1,
    minReadySeconds: origin.spec?.minReadySeconds ?? 0,
    annotations: { ...origin.metadata?.annotations },
  };
}

export function isActiveSet(set: SetDraft): boolean {
  return set.replicas > 0;
}

/** Desired pods of all sets. */
export function desiredOf(sets: readonly SetDraft[]): number {
  return sets.reduce((sum, set) => sum + set.replicas, 0);
}

/** Sum of one count of the sets' own status. */
export function statusSum(
  sets: readonly SetDraft[],
  count: "replicas" | "readyReplicas" | "availableReplicas",
): number {
  return sets.reduce((sum, { origin }) => sum + (origin.status?.[count] ?? 0), 0);
}

/** Oldest first. What the plan creates is the newest. */
export function oldestFirst(sets: readonly SetDraft[]): SetDraft[] {
  return [...sets].sort((a, b) => {
    if (a.isNew || b.isNew) return Number(a.isNew) - Number(b.isNew);
    return byAge(a.origin as Stored<ReplicaSet>, b.origin as Stored<ReplicaSet>);
  });
}

export function createdMsOf(set: SetDraft): number {
  return set.isNew ? Number.MAX_SAFE_INTEGER : timeOf(set.origin.metadata?.creationTimestamp);
}

/** A whole number kept in an annotation; undefined when it is missing or not one. */
export function numberIn(set: SetDraft, key: string): number | undefined {
  const text = set.annotations[key];
  return text !== undefined && /^-?\d{1,10}$/.test(text) ? Number(text) : undefined;
}

/** What a later scaling needs to share out pods in proportion. */
export function setReplicasAnnotations(set: SetDraft, deployment: Deployment): void {
  const replicas = replicasOf(deployment);
  set.annotations[annotation.desiredReplicas] = String(replicas);
  set.annotations[annotation.maxReplicas] = String(replicas + boundsOf(deployment).maxSurge);
}
