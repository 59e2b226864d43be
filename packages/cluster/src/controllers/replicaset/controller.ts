// Keeps as many pods as a ReplicaSet asks for. Decisions are in plan.ts, status.ts and rank.ts; here are the writes.
import { asError } from "@wherry/core";
import { type Pod, type ReplicaSet, type ReplicaSetStatus, resources, type Stored } from "@wherry/kube";
import {
  type Controller,
  controller,
  controllerKeyOf,
  Expectations,
  type Key,
  keyOf,
  type Outcome,
  type Source,
  watching,
} from "@wherry/kube/controller";
import { carryOutClaim, planClaim } from "../claim.ts";
import type { ControllerEnvironment } from "../environment.ts";
import { isNamespaceTerminating, isReason } from "../errors.ts";
import { orphansIn, ownedBy, type WorkloadCaches, workloadCaches } from "../indexes.ts";
import { limits } from "../limits.ts";
import { controllerOf, isDeleting } from "../objects.ts";
import { isActive } from "../pods.ts";
import { cachedSelector } from "../selectors.ts";
import { planReplicaSet, podOf } from "./plan.ts";
import { slowStart } from "./slow-start.ts";
import { type ManageFailure, nextAvailableMs, replicaSetStatus, sameStatus } from "./status.ts";

export function replicaSetController(env: ControllerEnvironment): Controller {
  const caches = workloadCaches(env);
  const loop = new ReplicaSetLoop(env, caches);
  return controller({
    name: "replicaset",
    env,
    watches: [watching(resources.replicasets), { attach: () => loop.watchExpected() }, podSource(caches)],
    reconcile: (key) => loop.reconcile(key),
    workers: 8,
  });
}

/** A pod makes its own set due; one without a controller every set that could take it up. */
function podSource({ replicaSets }: WorkloadCaches): Source {
  return watching(resources.pods, (pod) => {
    const key = controllerKeyOf(pod, "ReplicaSet");
    if (key !== undefined) return key;
    if (controllerOf(pod) !== undefined || !isActive(pod)) return undefined;
    return replicaSets
      .list(pod.metadata.namespace)
      .filter(({ spec }) => cachedSelector(spec?.selector).matches(pod.metadata.labels))
      .map(keyOf);
  });
}

class ReplicaSetLoop {
  readonly #expectations: Expectations;
  readonly #env: ControllerEnvironment;
  readonly #caches: WorkloadCaches;

  constructor(env: ControllerEnvironment, caches: WorkloadCaches) {
    this.#env = env;
    this.#caches = caches;
    this.#expectations = new Expectations(env.clock);
  }

  /** Attached before the source that makes keys due, so that a due key finds its news counted. */
  watchExpected(): void {
    this.#caches.pods.onChange((next, previous) => {
      const pod = next ?? previous;
      const key = pod === undefined ? undefined : controllerKeyOf(pod, "ReplicaSet");
      if (pod === undefined || key === undefined) return;
      if (previous === undefined) this.#expectations.createSeen(key);
      if (next === undefined || isDeleting(next)) this.#expectations.deleteSeen(key, pod.metadata.uid);
    });
  }

  async reconcile(key: Key): Promise<Outcome> {
    const set = this.#caches.replicaSets.get(key);
    if (set !== undefined) return this.#pass(key, set);
    this.#expectations.forget(key);
    return undefined;
  }

  async #pass(key: Key, set: Stored<ReplicaSet>): Promise<Outcome> {
    // Asked before the cache is read: what is seen in between must not be counted as missing.
    const satisfied = this.#expectations.satisfied(key);
    const pods = await this.#claim(set);
    const failure = satisfied ? await this.#manage(key, set, pods) : undefined;
    await this.#writeStatus(set, replicaSetStatus(set, pods, failure, this.#env.clock.now()));
    if (failure !== undefined) throw failure.error;
    const waitMs = nextAvailableMs(set, pods, this.#env.clock.now());
    if (waitMs !== undefined) return { requeueAfterMs: waitMs };
    // News of the pass's own writes makes the key due; this is for news that never comes.
    return this.#expectations.satisfied(key) ? undefined : { requeueAfterMs: limits.expectationsTimeoutMs };
  }

  #claim(set: Stored<ReplicaSet>): Promise<readonly Stored<Pod>[]> {
    const { pods } = this.#caches;
    const candidates = [...ownedBy(pods, set.metadata.uid), ...orphansIn(pods, set.metadata.namespace ?? "")];
    const claim = planClaim(set, cachedSelector(set.spec?.selector), candidates);
    // Ended pods are not taken up: they would only be in the way of garbage collection.
    const adopt = claim.adopt.filter(isActive);
    const owner = { resource: resources.replicasets, object: set };
    return carryOutClaim(this.#env.client, owner, resources.pods, { ...claim, adopt });
  }

  /** What went wrong, if something did: the status says so before the pass fails. */
  async #manage(key: Key, set: Stored<ReplicaSet>, pods: readonly Stored<Pod>[]): Promise<Failure | undefined> {
    const relatedOnNode = this.#relatedOnNode(set);
    const plan = planReplicaSet({ set, pods, relatedOnNode, nowMs: this.#env.clock.now() });
    if (plan.create > 0) return this.#create(key, set, plan.create);
    if (plan.remove.length > 0) return this.#remove(key, set, plan.remove);
    return undefined;
  }

  async #create(key: Key, set: Stored<ReplicaSet>, count: number): Promise<Failure | undefined> {
    this.#expectations.expectCreates(key, count);
    const { client, recorder } = this.#env;
    const pod = podOf(set);
    const { done, failure } = await slowStart(count, limits.slowStartInitialBatch, async () => {
      try {
        const made = await client.create(resources.pods, pod);
        recorder.event(set, "Normal", "SuccessfulCreate", `Created pod: ${made.metadata.name}`);
      } catch (error) {
        this.#expectations.createSeen(key);
        if (isNamespaceTerminating(error)) return;
        recorder.event(set, "Warning", "FailedCreate", `Error creating: ${asError(error).message}`);
        throw error;
      }
    });
    for (let skipped = done; skipped < count; skipped++) this.#expectations.createSeen(key);
    return failure === undefined ? undefined : failureOf("FailedCreate", failure);
  }

  async #remove(key: Key, set: Stored<ReplicaSet>, pods: readonly Stored<Pod>[]): Promise<Failure | undefined> {
    const uids = pods.map((pod) => pod.metadata.uid);
    this.#expectations.expectDeletes(key, uids);
    const { client, recorder } = this.#env;
    const results = await Promise.allSettled(
      pods.map(async ({ metadata: { name, namespace = "", uid } }) => {
        try {
          await client.delete(resources.pods, { name, namespace }, { preconditions: { uid } });
          recorder.event(set, "Normal", "SuccessfulDelete", `Deleted pod: ${name}`);
        } catch (error) {
          this.#expectations.deleteSeen(key, uid);
          if (isReason(error, "NotFound") || isReason(error, "Conflict")) return;
          recorder.event(set, "Warning", "FailedDelete", `Error deleting: ${asError(error).message}`);
          throw error;
        }
      }),
    );
    const failed = results.find((result) => result.status === "rejected");
    return failed === undefined ? undefined : failureOf("FailedDelete", failed.reason);
  }

  /** Counts when it is first asked: mostly there is nothing to delete. */
  #relatedOnNode(set: Stored<ReplicaSet>): (nodeName: string) => number {
    let counts: Map<string, number> | undefined;
    return (nodeName) => {
      counts ??= this.#countRelated(set);
      return counts.get(nodeName) ?? 0;
    };
  }

  #countRelated(set: Stored<ReplicaSet>): Map<string, number> {
    const { replicaSets, pods } = this.#caches;
    const owner = controllerOf(set);
    const related = owner === undefined ? [set] : ownedBy(replicaSets, owner.uid);
    const counts = new Map<string, number>();
    for (const { metadata } of related)
      for (const pod of ownedBy(pods, metadata.uid)) {
        const node = pod.spec?.nodeName ?? "";
        if (isActive(pod)) counts.set(node, (counts.get(node) ?? 0) + 1);
      }
    return counts;
  }

  async #writeStatus(set: Stored<ReplicaSet>, status: ReplicaSetStatus): Promise<void> {
    if (sameStatus(set.status, status)) return;
    try {
      await this.#env.client.updateStatus(resources.replicasets, { ...set, status });
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
  }
}

/** A failure that shows as the condition ReplicaFailure. */
interface Failure extends ManageFailure {
  readonly error: Error;
}

function failureOf(reason: ManageFailure["reason"], cause: unknown): Failure {
  const error = asError(cause);
  return { reason, message: error.message, error };
}
