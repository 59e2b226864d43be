// Kinds whose controllers compare `metadata.generation` with `status.observedGeneration`, and kinds with nothing special.
import { deepEqual } from "@wherry/kube";
import type { Strategy } from "../registry/strategy.ts";

/** Annotations count, because the controller copies them to ReplicaSets (k8s: registry/apps/deployment/strategy.go). */
export const deploymentStrategy: Strategy = {
  prepareCreate(draft) {
    draft.status = {};
  },
  raisesGeneration: (next, current) =>
    !deepEqual(next.spec, current.spec) || !deepEqual(next.metadata.annotations, current.metadata.annotations),
};

export const replicaSetStrategy: Strategy = {
  prepareCreate(draft) {
    // The real one also starts with 0: `replicas` is not optional there.
    draft.status = { replicas: 0 };
  },
  raisesGeneration: (next, current) => !deepEqual(next.spec, current.spec),
};

/** k8s: registry/policy/poddisruptionbudget/strategy.go. Nothing is allowed before its controller has seen it. */
export const disruptionBudgetStrategy: Strategy = {
  prepareCreate(draft) {
    draft.status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 };
  },
  raisesGeneration: (next, current) => !deepEqual(next.spec, current.spec),
};

/** The whole object is its spec (k8s: registry/discovery/endpointslice/strategy.go). */
export const endpointSliceStrategy: Strategy = {
  raisesGeneration: (next, current) =>
    (["endpoints", "ports", "addressType"] as const).some(
      (field) => !deepEqual(next[field], current[field as never]),
    ) || !deepEqual(next.metadata.labels, current.metadata.labels),
};

export const serviceAccountStrategy: Strategy = { answersDeleted: true };

/** A node that registers brings its status along, as the kubelet's does. */
export const plainStrategy: Strategy = {};
