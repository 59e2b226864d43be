// Moves a Deployment's ReplicaSets one step towards its template and size. Decisions are in plan.ts; here are the writes.
import { asError } from "@wherry/core";
import { type Deployment, type Pod, type ReplicaSet, resources, type Stored } from "@wherry/kube";
import {
  type Controller,
  controller,
  controllerKeyOf,
  type Key,
  keyOf,
  type Outcome,
  watching,
} from "@wherry/kube/controller";
import { carryOutClaim, planClaim } from "../claim.ts";
import type { ControllerEnvironment } from "../environment.ts";
import { isNamespaceTerminating, isReason, unlessGone } from "../errors.ts";
import { orphansIn, ownedBy, type WorkloadCaches, workloadCaches } from "../indexes.ts";
import { controllerOf, isDeleting } from "../objects.ts";
import { cachedSelector } from "../selectors.ts";
import { type DeploymentAction, type DeploymentPlan, planDeployment } from "./plan.ts";
import { sameTemplate } from "./revision.ts";
import { annotation } from "./sets.ts";
import { setCondition } from "./status.ts";

export function deploymentController(env: ControllerEnvironment): Controller {
  const caches = workloadCaches(env);
  const loop = new DeploymentLoop(env, caches);
  return controller({
    name: "deployment",
    env,
    watches: [
      watching(resources.deployments),
      watching(resources.replicasets, (set) => deploymentKeysOf(set, caches)),
      // Recreate waits for the end of old pods; nothing else here depends on a single pod.
      watching(resources.pods, (pod) => recreateKeysOf(pod, caches)),
    ],
    reconcile: (key) => loop.reconcile(key),
    workers: 4,
  });
}

function deploymentKeysOf(set: Stored<ReplicaSet>, { deployments }: WorkloadCaches): Key | Key[] | undefined {
  if (controllerOf(set) !== undefined) return controllerKeyOf(set, "Deployment");
  return deployments
    .list(set.metadata.namespace)
    .filter(({ spec }) => cachedSelector(spec?.selector).matches(set.metadata.labels))
    .map(keyOf);
}

function recreateKeysOf(pod: Stored<Pod>, { deployments, replicaSets }: WorkloadCaches): Key | undefined {
  const setKey = controllerKeyOf(pod, "ReplicaSet");
  const set = setKey === undefined ? undefined : replicaSets.get(setKey);
  const key = set === undefined ? undefined : controllerKeyOf(set, "Deployment");
  if (key === undefined) return undefined;
  return deployments.get(key)?.spec?.strategy?.type === "Recreate" ? key : undefined;
}

class DeploymentLoop {
  readonly #env: ControllerEnvironment;
  readonly #caches: WorkloadCaches;

  constructor(env: ControllerEnvironment, caches: WorkloadCaches) {
    this.#env = env;
    this.#caches = caches;
  }

  async reconcile(key: Key): Promise<Outcome> {
    const deployment = this.#caches.deployments.get(key);
    return deployment === undefined ? undefined : this.#pass(deployment);
  }

  async #pass(deployment: Stored<Deployment>): Promise<Outcome> {
    const selector = cachedSelector(deployment.spec?.selector);
    if (selector.matchesAll) {
      const message = "This deployment is selecting all pods. A non-empty selector is required.";
      this.#env.recorder.event(deployment, "Warning", "SelectingAll", message);
      return undefined;
    }
    const { client, clock } = this.#env;
    const { pods } = this.#caches;
    const claim = planClaim(deployment, selector, this.#candidates(deployment));
    const owner = { resource: resources.deployments, object: deployment };
    const sets = await carryOutClaim(client, owner, resources.replicasets, claim);
    const podsOf = (set: Stored<ReplicaSet>): readonly Stored<Pod>[] => ownedBy(pods, set.metadata.uid);
    const plan = planDeployment({ deployment, sets, podsOf, nowMs: clock.now() });
    return this.#carryOut(deployment, plan);
  }

  #candidates(deployment: Stored<Deployment>): readonly Stored<ReplicaSet>[] {
    const { replicaSets } = this.#caches;
    const { uid, namespace = "" } = deployment.metadata;
    return [...ownedBy(replicaSets, uid), ...orphansIn(replicaSets, namespace)];
  }

  async #carryOut(deployment: Stored<Deployment>, plan: DeploymentPlan): Promise<Outcome> {
    let written = deployment;
    for (const action of plan.actions) {
      const outcome = await this.#act(written, action);
      if (outcome === "again") return { requeueAfterMs: 0 };
      if (outcome === "stop") return undefined;
      if (outcome !== "done") written = outcome;
    }
    if (plan.statusChanged) {
      const { client } = this.#env;
      await unlessGone(client.updateStatus(resources.deployments, { ...written, status: plan.status }));
    }
    return plan.requeueAfterMs === undefined ? undefined : { requeueAfterMs: plan.requeueAfterMs };
  }

  /** The Deployment when the action changed it; `again`: look afresh at once; `stop`: there is nothing to do any more. */
  async #act(
    deployment: Stored<Deployment>,
    action: DeploymentAction,
  ): Promise<"done" | "again" | "stop" | Stored<Deployment>> {
    const { client, recorder } = this.#env;
    switch (action.type) {
      case "createSet":
        return this.#create(deployment, action.set, action.event);
      case "updateSet":
        await client.update(resources.replicasets, action.set);
        if (action.event !== undefined) recorder.event(deployment, "Normal", "ScalingReplicaSet", action.event);
        return "done";
      case "deleteSet": {
        const { name, namespace = "", uid } = action.set.metadata;
        await unlessGone(client.delete(resources.replicasets, { name, namespace }, { preconditions: { uid } }));
        return "done";
      }
      case "setRevision": {
        const { name, namespace = "", uid } = deployment.metadata;
        const metadata = { uid, annotations: { [annotation.revision]: action.revision } };
        return client.patch(resources.deployments, { name, namespace }, "merge", { metadata });
      }
    }
  }

  async #create(
    deployment: Stored<Deployment>,
    set: ReplicaSet,
    event: string | undefined,
  ): Promise<"done" | "again" | "stop"> {
    const { client, recorder } = this.#env;
    try {
      await client.create(resources.replicasets, set);
      if (event !== undefined) recorder.event(deployment, "Normal", "ScalingReplicaSet", event);
      return "done";
    } catch (error) {
      if (isReason(error, "AlreadyExists")) return this.#clash(deployment, set);
      if (isNamespaceTerminating(error)) return "stop";
      await this.#reportCreateFailure(deployment, set, asError(error));
      throw error;
    }
  }

  /** The name is taken: by our own set, which the cache doesn't show yet, or by another one, and the next name is due. */
  async #clash(deployment: Stored<Deployment>, set: ReplicaSet): Promise<"again" | "done"> {
    const { client } = this.#env;
    const { name = "", namespace = "" } = set.metadata ?? {};
    const present = await client.get(resources.replicasets, name, namespace);
    const isOurs = controllerOf(present)?.uid === deployment.metadata.uid;
    if (isOurs && sameTemplate(present.spec?.template, deployment.spec?.template)) return "done";
    // One on its way out frees its name soon, and its deletion makes the Deployment due.
    if (isOurs && isDeleting(present)) return "done";
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    await client.updateStatus(resources.deployments, {
      ...deployment,
      status: { ...deployment.status, collisionCount },
    });
    return "again";
  }

  async #reportCreateFailure(deployment: Stored<Deployment>, set: ReplicaSet, error: Error): Promise<void> {
    const { client, clock, recorder } = this.#env;
    const message = `Failed to create new replica set "${set.metadata?.name ?? ""}": ${error.message}`;
    recorder.event(deployment, "Warning", "ReplicaSetCreateError", message);
    const conditions = setCondition(
      deployment.status?.conditions ?? [],
      { type: "Progressing", status: "False", reason: "ReplicaSetCreateError", message },
      clock.now(),
    );
    if (conditions === deployment.status?.conditions) return;
    await client.updateStatus(resources.deployments, {
      ...deployment,
      status: { ...deployment.status, conditions },
    });
  }
}
