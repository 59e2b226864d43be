// How many pods a ReplicaSet makes, and which it deletes. Pure.
// Mirrors upstream pkg/controller/replicaset/replica_set.go (manageReplicas, getIndirectlyRelatedPods).
import { type Pod, type PodTemplateSpec, type ReplicaSet, resources, type Stored } from "@wherry/kube";
import { limits } from "../limits.ts";
import { isDeleting, ownerReferenceTo } from "../objects.ts";
import { isActive } from "../pods.ts";
import { deletionOrder } from "./rank.ts";

export interface ReplicaSetWorld {
  readonly set: Stored<ReplicaSet>;
  /** What it owns, ended and terminating pods too. */
  readonly pods: readonly Stored<Pod>[];
  /** Active pods of all ReplicaSets with the same owner (of one Deployment), by node. */
  readonly relatedOnNode: (nodeName: string) => number;
  readonly nowMs: number;
}

export interface ReplicaSetPlan {
  /** Pods to create. */
  readonly create: number;
  /** Pods to delete, in this order. */
  readonly remove: readonly Stored<Pod>[];
}

export function planReplicaSet({ set, pods, relatedOnNode, nowMs }: ReplicaSetWorld): ReplicaSetPlan {
  if (isDeleting(set)) return { create: 0, remove: [] };
  const active = pods.filter(isActive);
  const missing = (set.spec?.replicas ?? 1) - active.length;
  if (missing >= 0) return { create: Math.min(missing, limits.replicaSetBurst), remove: [] };
  const surplus = Math.min(-missing, limits.replicaSetBurst);
  // When all go there is nothing to choose.
  const ordered =
    surplus === active.length ? active : deletionOrder(active, (pod) => relatedOnNode(pod.spec?.nodeName ?? ""), nowMs);
  return { create: 0, remove: ordered.slice(0, surplus) };
}

/** A pod of a template, owned by `set`. The API makes up the end of its name. */
export function podOf(set: Stored<ReplicaSet>): Pod {
  const template: PodTemplateSpec = set.spec?.template ?? {};
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: `${set.metadata.name}-`,
      ...(set.metadata.namespace === undefined ? {} : { namespace: set.metadata.namespace }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [ownerReferenceTo(resources.replicasets, set)],
    },
    ...(template.spec === undefined ? {} : { spec: template.spec }),
  };
}
