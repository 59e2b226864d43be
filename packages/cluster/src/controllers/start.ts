// Starts all control loops of the cluster over one client identity and one set of caches.
import { resources } from "@wherry/kube";
import { type Controller, createEventRecorder, type LoopEnvironment } from "@wherry/kube/controller";
import { deploymentController } from "./deployment/controller.ts";
import { disruptionController } from "./disruption/controller.ts";
import { endpointsController } from "./endpoints/controller.ts";
import type { ControllerEnvironment } from "./environment.ts";
import { garbageController } from "./garbage/controller.ts";
import { indexByOwner } from "./indexes.ts";
import { namespaceController } from "./namespace/controller.ts";
import { podGarbageController } from "./pod-gc/controller.ts";
import { replicaSetController } from "./replicaset/controller.ts";

export interface ControllersEnvironment extends LoopEnvironment {
  /** PEM of the cluster's CA, published to every namespace as ConfigMap `kube-root-ca.crt`. */
  readonly rootCa: string;
}

/**
 * Runs the Deployment, ReplicaSet, Endpoints, disruption, Namespace, garbage collection and pod clean-up loops. Starts the
 * informers that it needs (those of `env.informers` that are started already stay as they are).
 * @returns resolves when the signal has aborted and every loop has finished what it had in hand. It never rejects for what a
 *          loop meets: that is logged and tried again.
 */
export async function startControllers(env: ControllersEnvironment, signal: AbortSignal): Promise<void> {
  indexByOwner(env.informers.for(resources.pods));
  indexByOwner(env.informers.for(resources.replicasets));
  const controllers = makeControllers(env);
  await env.informers.start(signal);
  await Promise.all(controllers.map((controller) => controller.run(signal)));
}

function makeControllers(env: ControllersEnvironment): readonly Controller[] {
  const as = (component: string): ControllerEnvironment => ({
    ...env,
    recorder: createEventRecorder(env.client, { component, ...env }),
  });
  return [
    deploymentController(as("deployment-controller")),
    replicaSetController(as("replicaset-controller")),
    endpointsController(as("endpoint-slice-controller")),
    disruptionController(as("controllermanager")),
    namespaceController({ ...as("namespace-controller"), rootCa: env.rootCa }),
    garbageController(as("garbage-collector-controller")),
    podGarbageController(as("pod-garbage-collector-controller")),
  ];
}
