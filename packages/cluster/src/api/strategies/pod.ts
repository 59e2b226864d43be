// Pods: graceful deletion, and what a client may not decide (k8s: pkg/registry/core/pod/strategy.go).
import { deepEqual, type Mutable, type Pod, type PodSpec } from "@wherry/kube";
import type { Draft } from "../registry/objects.ts";
import type { Strategy } from "../registry/strategy.ts";

const graceSecondsDefault = 30;

export const podStrategy: Strategy = {
  prepareCreate(draft) {
    draft.status = { phase: "Pending", qosClass: qosClassOf((draft as unknown as Pod).spec) };
  },

  prepareStatus(next, current) {
    // The class is decided at creation.
    const status = { ...(next.status as Pod["status"]) };
    const { qosClass } = (current as Pod).status ?? {};
    if (qosClass !== undefined) next.status = { ...status, qosClass };
    // Upstream lets the status writer touch metadata, but never who owns the pod.
  },

  raisesGeneration: (next, current) => !deepEqual(next.spec, current.spec),

  graceSeconds(object, requested) {
    const { spec, status } = object as Pod;
    const unscheduled = (spec?.nodeName ?? "") === "";
    if (unscheduled || status?.phase === "Succeeded" || status?.phase === "Failed") return 0;
    const seconds = requested ?? spec?.terminationGracePeriodSeconds ?? graceSecondsDefault;
    return seconds < 0 ? 1 : seconds;
  },

  answersDeleted: true,
};

/** https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/ */
function qosClassOf(spec: PodSpec | undefined): "Guaranteed" | "Burstable" | "BestEffort" {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  let any = false;
  let guaranteed = containers.length > 0;
  for (const { resources = {} } of containers) {
    const { limits = {}, requests = {} } = resources;
    for (const resource of ["cpu", "memory"]) {
      const limit = limits[resource];
      const request = requests[resource] ?? limit;
      if (limit !== undefined || request !== undefined) any = true;
      if (limit === undefined || limit !== request) guaranteed = false;
    }
  }
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

/** What the scheduler's binding makes of a pod (k8s: pod/storage/storage.go, setPodNodeAndMetadata). */
export function bindPod(pod: Draft, nodeName: string, now: string): void {
  const bound = pod as unknown as Mutable<Pod>;
  const condition = { type: "PodScheduled", status: "True", lastProbeTime: null, lastTransitionTime: now };
  const conditions = (bound.status?.conditions ?? []).filter(({ type }) => type !== condition.type);
  pod.spec = { ...(pod.spec as object), nodeName };
  pod.status = { ...(pod.status as object), conditions: [...conditions, condition] };
}
