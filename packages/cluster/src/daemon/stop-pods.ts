// The graceful end of all pods when a cluster is stopped. Pods with a controller are deleted with their grace, so that the
// next start makes fresh ones; bare pods are only stopped, and start again with the cluster. Controllers and scheduler have
// ended before: nothing is made anew meanwhile.
import { asError, type Clock, type Logger } from "@wherry/core";
import { type Pod, resources, type Stored } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import { daemonLimits } from "./limits.ts";

export interface StopPodsEnvironment {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the user is out of patience. */
  readonly hurry: AbortSignal;
}

/** Resolves when no pod with a controller is left, the longest of their grace periods and a margin have passed, or in a hurry. */
export async function deleteControlledPods(env: StopPodsEnvironment): Promise<void> {
  const pods = (await env.client.list(resources.pods)).items.filter(isControlled);
  if (pods.length === 0) return;
  await Promise.all(pods.map((pod) => deletePod(env, pod)));
  const graceMs = Math.max(...pods.map((pod) => (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000));
  const deadlineMs = env.clock.monotonic() + Math.min(graceMs, daemonLimits.stopGraceMsMax) + daemonLimits.stopMarginMs;
  for (;;) {
    const left = (await env.client.list(resources.pods)).items.filter(isControlled);
    if (left.length === 0) return;
    if (env.clock.monotonic() > deadlineMs) {
      env.log.warn({ pods: left.map(({ metadata }) => metadata.name) }, "pods did not end within their grace period");
      return;
    }
    if (env.hurry.aborted) return;
    await env.clock.sleep(daemonLimits.stopPollMs);
  }
}

const isControlled = (pod: Stored<Pod>): boolean =>
  pod.metadata.ownerReferences?.some((owner) => owner.controller === true) ?? false;

async function deletePod({ client, log }: StopPodsEnvironment, pod: Stored<Pod>): Promise<void> {
  const { name, namespace = "default" } = pod.metadata;
  try {
    await client.delete(resources.pods, { name, namespace });
  } catch (error) {
    // Gone meanwhile, or already on its way out with a shorter grace.
    log.debug({ pod: `${namespace}/${name}`, err: asError(error) }, "a pod could not be deleted while stopping");
  }
}
