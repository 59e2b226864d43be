// Indexes on the shared caches. They must be there before the informers start.
import { type Deployment, type KubeObject, type Pod, type ReplicaSet, resources, type Stored } from "@wherry/kube";
import type { Informer, LoopEnvironment } from "@wherry/kube/controller";
import { controllerOf } from "./objects.ts";

const byOwner = "controllers/owner";

const orphansOf = (namespace: string): string => `orphans/${namespace}`;

/** Makes `ownedBy` and `orphansIn` fast. */
export function indexByOwner<T extends KubeObject>(informer: Informer<T>): void {
  informer.addIndex(byOwner, (object) => [controllerOf(object)?.uid ?? orphansOf(object.metadata.namespace ?? "")]);
}

/** The objects whose controller has this uid. */
export function ownedBy<T extends KubeObject>(informer: Informer<T>, uid: string): readonly Stored<T>[] {
  return informer.byIndex(byOwner, uid);
}

/** The objects of a namespace that have no controller. */
export function orphansIn<T extends KubeObject>(informer: Informer<T>, namespace: string): readonly Stored<T>[] {
  return informer.byIndex(byOwner, orphansOf(namespace));
}

export interface WorkloadCaches {
  readonly deployments: Informer<Deployment>;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly pods: Informer<Pod>;
}

/** The caches that the workload loops share. Their indexes are made by `startControllers`, once. */
export function workloadCaches({ informers }: LoopEnvironment): WorkloadCaches {
  return {
    deployments: informers.for(resources.deployments),
    replicaSets: informers.for(resources.replicasets),
    pods: informers.for(resources.pods),
  };
}
