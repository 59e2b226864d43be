// Is all of it ready, and if not, why not? Pure: looks at objects, decides nothing about waiting.
import { isDeepStrictEqual } from "node:util";
import type { ContainerStatus, Deployment, OwnerReference, Pod, ReplicaSet, Stored } from "@wherry/kube/types";

export interface World {
  readonly deployments: readonly Stored<Deployment>[];
  readonly pods: readonly Stored<Pod>[];
}

export interface Trouble {
  readonly pod: Stored<Pod>;
  readonly container: string;
  /** As the API has it: `CrashLoopBackOff`, `ErrImagePull`, … */
  readonly reason: string;
  readonly message: string;
  /** No waiting will help: nobody knows the image, or the spec can't be run. */
  readonly final: boolean;
}

/** Waiting reasons that only a change of the spec, or of what it names, gets a pod out of. */
const finalReasons = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "ErrImageNeverPull",
  "InvalidImageName",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
]);

/** The same four conditions as `kubectl rollout status`. */
export function isDeploymentReady(deployment: Stored<Deployment>): boolean {
  const { spec, status, metadata } = deployment;
  const wanted = spec?.replicas ?? 1;
  return (
    (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
    (status?.updatedReplicas ?? 0) === wanted &&
    (status?.replicas ?? 0) === wanted &&
    (status?.availableReplicas ?? 0) === wanted
  );
}

export const isPodReady = (pod: Stored<Pod>): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;

export const isPodDone = (pod: Stored<Pod>): boolean => pod.status?.phase === "Succeeded";

export const controllerOf = (object: Stored<Pod> | Stored<ReplicaSet>): OwnerReference | undefined =>
  object.metadata.ownerReferences?.find((owner) => owner.controller === true);

/** Whether the set is the one of the Deployment's template as it is now; by the template, so that a cache that is behind can't mislead. */
export function isCurrentSet(set: Stored<ReplicaSet>, deployment: Stored<Deployment>): boolean {
  if (controllerOf(set)?.uid !== deployment.metadata.uid) return false;
  const { metadata, ...template } = set.spec?.template ?? {};
  const given = Object.entries(metadata?.labels ?? {}).filter(([name]) => name !== "pod-template-hash");
  const labels = Object.fromEntries(given);
  const wanted = deployment.spec?.template;
  return isDeepStrictEqual(
    { ...template, metadata: { ...metadata, labels } },
    { ...wanted, metadata: { ...wanted?.metadata, labels: wanted?.metadata?.labels ?? {} } },
  );
}

export function isReady(world: World): boolean {
  return (
    world.deployments.every(isDeploymentReady) &&
    world.pods
      .filter((pod) => controllerOf(pod) === undefined && pod.metadata.deletionTimestamp === undefined)
      .every((pod) => isPodReady(pod) || isPodDone(pod))
  );
}

/** Containers that wait for something other than being created, worst first. */
export function troubles(pods: readonly Stored<Pod>[]): Trouble[] {
  const found: Trouble[] = [];
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined) continue;
    const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    for (const status of statuses) {
      const trouble = troubleOf(status);
      if (trouble !== undefined) found.push({ pod, container: status.name, ...trouble });
    }
    const unscheduled = pod.status?.conditions?.find(
      ({ type, status }) => type === "PodScheduled" && status === "False",
    );
    if (unscheduled !== undefined)
      found.push({
        pod,
        container: "",
        reason: unscheduled.reason ?? "Unschedulable",
        message: unscheduled.message ?? "",
        final: false,
      });
  }
  return found.sort((a, b) => Number(b.final) - Number(a.final));
}

function troubleOf(status: ContainerStatus): Pick<Trouble, "reason" | "message" | "final"> | undefined {
  const { waiting, terminated } = status.state ?? {};
  const last = terminated ?? status.lastState?.terminated;
  if (waiting?.reason !== undefined && !["ContainerCreating", "PodInitializing"].includes(waiting.reason)) {
    const restarts = `${status.restartCount} ${status.restartCount === 1 ? "restart" : "restarts"}`;
    const exit = last === undefined ? "" : `exit code ${last.exitCode}, ${restarts}. `;
    const message = exit + inShort(waiting.message ?? "");
    return { reason: waiting.reason, message, final: finalReasons.has(waiting.reason) };
  }
  if (terminated !== undefined && terminated.exitCode !== 0)
    return { reason: terminated.reason ?? "Error", message: `exit code ${terminated.exitCode}`, final: false };
  return undefined;
}

/** Of Kubernetes' `back-off 10s restarting failed container=web pod=web-…_default(…)`, what is not said beside it. */
const inShort = (message: string): string =>
  message.replace(/^back-off (\S+) restarting failed container.*$/s, "The next one is after $1");
