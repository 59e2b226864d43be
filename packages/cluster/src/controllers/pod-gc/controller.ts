// Sweeps away pods that nobody else will clean up: of nodes that are gone, deleted before they ran anywhere, ended long ago.
// It has one key: every look is at all pods. A node whose agent stops reporting but that is still there is not its business.
import { type Pod, resources, type Stored } from "@wherry/kube";
import { type Controller, controller, type Outcome, watching } from "@wherry/kube/controller";
import { inBatches } from "../batches.ts";
import type { ControllerEnvironment } from "../environment.ts";
import { isReason, unlessGone } from "../errors.ts";
import { limits } from "../limits.ts";
import { isDeleting, timestamp } from "../objects.ts";
import { isTerminal } from "../pods.ts";
import { nodeOf, planPodSweep } from "./plan.ts";

const sweep = "all";

export function podGarbageController(env: ControllerEnvironment): Controller {
  const loop = new PodSweepLoop(env);
  const made = controller({
    name: "podgc",
    env,
    watches: [
      // Single pods change all the time; the sweep comes round by itself. What is due at once: a node that went, a pod that
      // is to go and runs nowhere.
      watching(resources.nodes, () => sweep, { when: (next) => next === undefined }),
      watching(resources.pods, () => sweep, {
        when: (next) => next !== undefined && isDeleting(next) && nodeOf(next) === "",
      }),
    ],
    reconcile: () => loop.reconcile(),
  });
  made.queue.add(sweep);
  return made;
}

class PodSweepLoop {
  readonly #env: ControllerEnvironment;
  /** When each missing node was first missed, on the monotonic clock. */
  readonly #missingSinceMs = new Map<string, number>();

  constructor(env: ControllerEnvironment) {
    this.#env = env;
  }

  async reconcile(): Promise<Outcome> {
    const { client, informers } = this.#env;
    const pods = informers.for(resources.pods).list();
    const lost = await this.#lostNodes(pods);
    const plan = planPodSweep({ pods, isLost: (name) => lost.has(name), terminatedMax: limits.terminatedPodsMax });
    await inBatches(plan.orphaned, limits.writesInFlight, (pod) => this.#giveUp(pod));
    await inBatches([...plan.unscheduled, ...plan.terminated], limits.writesInFlight, async ({ metadata }) => {
      const { name, namespace = "", uid } = metadata;
      const options = { gracePeriodSeconds: 0, preconditions: { uid } };
      await unlessGone(client.delete(resources.pods, { name, namespace }, options));
    });
    return { requeueAfterMs: limits.podSweepMs };
  }

  /** Nodes missed for the grace time that the API doesn't know either. */
  async #lostNodes(pods: readonly Stored<Pod>[]): Promise<ReadonlySet<string>> {
    const { clock, informers } = this.#env;
    const nodes = informers.for(resources.nodes);
    const named = new Set(pods.map(nodeOf).filter((name) => name !== "" && nodes.get(name) === undefined));
    for (const name of this.#missingSinceMs.keys()) if (!named.has(name)) this.#missingSinceMs.delete(name);
    const lost = new Set<string>();
    for (const name of named) {
      const since = this.#missingSinceMs.get(name) ?? clock.monotonic();
      this.#missingSinceMs.set(name, since);
      if (clock.monotonic() - since >= limits.missingNodeGraceMs && !(await this.#exists(name))) lost.add(name);
    }
    return lost;
  }

  async #exists(nodeName: string): Promise<boolean> {
    try {
      await this.#env.client.get(resources.nodes, nodeName);
      return true;
    } catch (error) {
      if (isReason(error, "NotFound")) return false;
      throw error;
    }
  }

  /** Marks the pod as failed, so that whoever waits for its end learns of it, then removes it without an agent's word. */
  async #giveUp(pod: Stored<Pod>): Promise<void> {
    const { client, clock } = this.#env;
    const { name, namespace = "", uid } = pod.metadata;
    if (!isTerminal(pod)) {
      const disrupted = {
        type: "DisruptionTarget",
        status: "True",
        reason: "DeletionByPodGC",
        message: "PodGC: node no longer exists",
        lastTransitionTime: timestamp(clock.now()),
      };
      const conditions = [...(pod.status?.conditions ?? []).filter(({ type }) => type !== disrupted.type), disrupted];
      const status = { ...pod.status, phase: "Failed", conditions };
      await unlessGone(client.updateStatus(resources.pods, { ...pod, status }));
    }
    const options = { gracePeriodSeconds: 0, preconditions: { uid } };
    await unlessGone(client.delete(resources.pods, { name, namespace }, options));
  }
}
