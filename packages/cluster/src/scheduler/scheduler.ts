// The scheduler: takes unbound pods from its queue, decides, counts the decision at once, and writes the binding while it
// decides on the next. It writes nothing but bindings, the PodScheduled condition and events; preemption, inter-pod affinity
// and topology spread constraints are not looked at.
import { asError } from "@wherry/core";
import { type Binding, deepEqual, type Node, type Pod, resources, type Stored, StatusError } from "@wherry/kube";
import { createEventRecorder, type EventRecorder, keyOf, type LoopEnvironment } from "@wherry/kube/controller";
import { ClusterState, groupOf } from "./cluster-state.ts";
import { decide } from "./decide.ts";
import { limits } from "./limits.ts";
import { PodQueue } from "./queue.ts";
import { requestsOf } from "./requests.ts";

const schedulerName = "default-scheduler";

/**
 * Binds pods to nodes until the signal aborts. Starts the informers that it needs.
 * @returns resolves when the last binding in flight has ended.
 */
export async function startScheduler(env: LoopEnvironment, signal: AbortSignal): Promise<void> {
  const scheduler = new Scheduler(env);
  scheduler.watch();
  await env.informers.start(signal);
  await scheduler.run(signal);
}

class Scheduler {
  readonly #env: LoopEnvironment;
  readonly #recorder: EventRecorder;
  readonly #state: ClusterState;
  readonly #queue: PodQueue;
  /** Unbound pods of this scheduler, by uid: what the queue's entries stand for. */
  readonly #pods = new Map<string, Stored<Pod>>();
  readonly #bindings = new Set<Promise<void>>();
  #wake: (() => void) | undefined;

  constructor(env: LoopEnvironment) {
    this.#env = env;
    this.#recorder = createEventRecorder(env.client, { component: schedulerName, ...env });
    const services = env.informers.for(resources.services);
    this.#state = new ClusterState((pod) => groupOf(pod, services.list(pod.metadata.namespace ?? "")));
    this.#queue = new PodQueue(env.clock, () => this.#wake?.());
  }

  watch(): void {
    const { informers } = this.#env;
    informers.for(resources.nodes).onChange((next, previous) => this.#nodeChanged(next, previous));
    informers.for(resources.pods).onChange((next, previous) => this.#podChanged(next, previous));
  }

  #nodeChanged(next: Stored<Node> | undefined, previous: Stored<Node> | undefined): void {
    if (next === undefined) {
      if (previous !== undefined) this.#state.removeNode(previous.metadata.name);
      return;
    }
    this.#state.setNode(next);
    // A heart-beat gives nobody room.
    if (previous === undefined || !deepEqual(decisive(next), decisive(previous))) this.#queue.clusterChanged();
  }

  #podChanged(next: Stored<Pod> | undefined, previous: Stored<Pod> | undefined): void {
    const uid = (next ?? previous)?.metadata.uid;
    if (uid === undefined) return;
    const freed = next === undefined ? this.#state.removePod(uid) : this.#state.setPod(next);
    if (freed) this.#queue.clusterChanged();
    if (next === undefined || !isToSchedule(next)) {
      this.#pods.delete(uid);
      this.#queue.remove(uid);
      return;
    }
    this.#pods.set(uid, next);
    if (isGated(next)) {
      this.#queue.remove(uid);
      this.#reportGated(next);
      return;
    }
    const changed = previous !== undefined && !deepEqual(previous.spec, next.spec);
    // Its own condition and others' annotations don't make a waiting pod fit.
    if (!this.#state.isPlaced(uid) && (changed || !this.#queue.has(uid)))
      this.#queue.add(uid, next.spec?.priority ?? 0);
  }

  async run(signal: AbortSignal): Promise<void> {
    let decisions = 0;
    const stop = (): void => this.#wake?.();
    signal.addEventListener("abort", stop, { once: true });
    while (!signal.aborted) {
      const pod = this.#bindings.size < limits.bindingsInFlight ? this.#take() : undefined;
      if (pod === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else {
        this.#decide(pod);
        if (++decisions % limits.decisionsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    signal.removeEventListener("abort", stop);
    this.#queue.close();
    await Promise.all(this.#bindings);
  }

  #take(): Stored<Pod> | undefined {
    for (let uid = this.#queue.take(); uid !== undefined; uid = this.#queue.take()) {
      const pod = this.#pods.get(uid);
      if (pod !== undefined && !this.#state.isPlaced(uid)) return pod;
    }
    return undefined;
  }

  #decide(pod: Stored<Pod>): void {
    const { random } = this.#env;
    const services = this.#env.informers.for(resources.services).list(pod.metadata.namespace ?? "");
    const requests = requestsOf(pod);
    const group = groupOf(pod, services);
    const { nodes } = this.#state;
    const decision = decide({ pod, requests, group }, nodes, random.below(Math.max(1, nodes.length)), random);
    if (decision.node === undefined) {
      this.#queue.wait(pod.metadata.uid, pod.spec?.priority ?? 0);
      this.#inFlight(this.#reportUnschedulable(pod, decision.message));
      return;
    }
    this.#state.assume(pod.metadata.uid, decision.node.name, requests, group);
    this.#inFlight(this.#bind(pod, decision.node.name));
  }

  #inFlight(write: Promise<void>): void {
    this.#bindings.add(write);
    void write.finally(() => {
      this.#bindings.delete(write);
      this.#wake?.();
    });
  }

  async #bind(pod: Stored<Pod>, nodeName: string): Promise<void> {
    const { name, namespace = "", uid } = pod.metadata;
    const binding: Binding = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name, namespace, uid },
      target: { apiVersion: "v1", kind: "Node", name: nodeName },
    };
    try {
      await this.#env.client.createSubresource(resources.pods, { name, namespace }, "binding", binding);
      const message = `Successfully assigned ${keyOf(pod)} to ${nodeName}`;
      this.#recorder.event(pod, "Normal", "Scheduled", message);
    } catch (error) {
      this.#state.forget(uid);
      this.#queue.clusterChanged();
      // Gone, or bound by someone else: the cache will tell, or has told.
      if (error instanceof StatusError && (error.reason === "NotFound" || error.reason === "Conflict")) return;
      this.#env.log.warn({ pod: keyOf(pod), node: nodeName, err: asError(error) }, "a binding failed, again later");
      if (this.#pods.has(uid)) this.#queue.wait(uid, pod.spec?.priority ?? 0);
      this.#queue.clusterChanged();
    }
  }

  async #reportUnschedulable(pod: Stored<Pod>, message: string): Promise<void> {
    this.#recorder.event(pod, "Warning", "FailedScheduling", message);
    await this.#writeCondition(pod, "Unschedulable", message);
  }

  #reportGated(pod: Stored<Pod>): void {
    const message = "Scheduling is blocked due to non-empty scheduling gates";
    this.#inFlight(this.#writeCondition(pod, "SchedulingGated", message));
  }

  /** Best effort: a condition that couldn't be written is written with the next attempt. */
  async #writeCondition(pod: Stored<Pod>, reason: string, message: string): Promise<void> {
    const { name, namespace = "", uid } = pod.metadata;
    const present = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
    if (present?.status === "False" && present.reason === reason && present.message === message) return;
    const now = `${new Date(this.#env.clock.now()).toISOString().slice(0, 19)}Z`;
    const lastTransitionTime = present?.status === "False" ? (present.lastTransitionTime ?? now) : now;
    const condition = { type: "PodScheduled", status: "False", reason, message, lastTransitionTime };
    const body = { metadata: { uid }, status: { conditions: [condition] } };
    const target = { name, namespace, subresource: "status" };
    try {
      await this.#env.client.patch(resources.pods, target, "strategic", body);
    } catch (error) {
      this.#env.log.debug({ pod: keyOf(pod), err: asError(error) }, "the PodScheduled condition could not be written");
    }
  }
}

function isToSchedule(pod: Pod): boolean {
  return (
    (pod.spec?.nodeName ?? "") === "" &&
    (pod.spec?.schedulerName ?? schedulerName) === schedulerName &&
    pod.metadata?.deletionTimestamp === undefined &&
    pod.status?.phase !== "Succeeded" &&
    pod.status?.phase !== "Failed"
  );
}

function isGated(pod: Pod): boolean {
  return (pod.spec?.schedulingGates?.length ?? 0) > 0;
}

/** What of a node a decision looks at. */
function decisive({ spec, status, metadata }: Stored<Node>): unknown {
  return {
    unschedulable: spec?.unschedulable ?? false,
    taints: spec?.taints ?? [],
    labels: metadata.labels ?? {},
    allocatable: status?.allocatable ?? {},
  };
}
