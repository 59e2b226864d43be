// The scheduler's picture of the cluster: nodes, and the pods that take room on them, as the caches tell it and as the
// scheduler itself has decided meanwhile. What was decided counts at once, long before the API tells of it.
import type { Node, Pod, Service, Stored } from "@wherry/kube";
import { NodeState } from "./node-state.ts";
import { type PodRequests, requestsOf } from "./requests.ts";

interface Placed {
  readonly nodeName: string;
  readonly requests: PodRequests;
  readonly group: string | undefined;
  /** Decided here, and not yet seen in the cache. */
  readonly assumed: boolean;
}

export class ClusterState {
  readonly #states = new Map<string, NodeState>();
  readonly #placed = new Map<string, Placed>();
  readonly #groupOf: (pod: Stored<Pod>) => string | undefined;
  #known: readonly NodeState[] | undefined;

  /** @param groupOf the group that a pod is spread with. */
  constructor(groupOf: (pod: Stored<Pod>) => string | undefined) {
    this.#groupOf = groupOf;
  }

  /** The nodes that exist. */
  get nodes(): readonly NodeState[] {
    this.#known ??= [...this.#states.values()].filter(({ node }) => node !== undefined);
    return this.#known;
  }

  setNode(node: Stored<Node>): void {
    const state = this.#state(node.metadata.name);
    if (state.node === undefined) this.#known = undefined;
    state.setNode(node);
  }

  removeNode(name: string): void {
    const state = this.#states.get(name);
    if (state === undefined) return;
    this.#known = undefined;
    state.setNode(undefined);
    if (state.pods === 0) this.#states.delete(name);
  }

  /**
   * A pod as the cache shows it. One that is bound and has not ended takes room; any other doesn't.
   * @returns true when room became free.
   */
  setPod(pod: Stored<Pod>): boolean {
    const { uid } = pod.metadata;
    const nodeName = pod.spec?.nodeName ?? "";
    const placed = this.#placed.get(uid);
    const ended = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
    if (nodeName === "" && !ended && placed?.assumed === true) return false;
    if (nodeName === "" || ended) return this.removePod(uid);
    // Requests of a pod that is bound don't change (in-place resize is not served), so only the place matters.
    if (placed?.nodeName === nodeName) {
      if (placed.assumed) this.#placed.set(uid, { ...placed, assumed: false });
      return false;
    }
    const freed = this.removePod(uid);
    this.#place(uid, { nodeName, requests: requestsOf(pod), group: this.#groupOf(pod), assumed: false });
    return freed;
  }

  /** @returns true when room became free. */
  removePod(uid: string): boolean {
    const placed = this.#placed.get(uid);
    if (placed === undefined) return false;
    this.#placed.delete(uid);
    const state = this.#state(placed.nodeName);
    state.remove(placed.requests, placed.group);
    if (state.pods === 0 && state.node === undefined) this.#states.delete(placed.nodeName);
    return true;
  }

  /** Counts a decision before it is written; `forget` takes it back. */
  assume(uid: string, nodeName: string, requests: PodRequests, group: string | undefined): void {
    this.removePod(uid);
    this.#place(uid, { nodeName, requests, group, assumed: true });
  }

  /** The binding failed. If the cache shows the pod bound meanwhile, that stays. */
  forget(uid: string): void {
    if (this.#placed.get(uid)?.assumed === true) this.removePod(uid);
  }

  isPlaced(uid: string): boolean {
    return this.#placed.has(uid);
  }

  #place(uid: string, placed: Placed): void {
    this.#placed.set(uid, placed);
    this.#state(placed.nodeName).add(placed.requests, placed.group);
  }

  #state(name: string): NodeState {
    let state = this.#states.get(name);
    if (state === undefined) {
      state = new NodeState(name);
      this.#states.set(name, state);
    }
    return state;
  }
}

/** Pods of one controller are spread, a Deployment's revisions apart from each other; others with those of their Service. */
export function groupOf(pod: Pod, services: readonly Stored<Service>[]): string | undefined {
  const controller = pod.metadata?.ownerReferences?.find((reference) => reference.controller === true);
  if (controller !== undefined) return controller.uid;
  const labels = pod.metadata?.labels ?? {};
  return services.find(({ spec }) => selects(spec?.selector, labels))?.metadata.uid;
}

function selects(selector: { readonly [key: string]: string } | undefined, labels: Record<string, string>): boolean {
  const entries = Object.entries(selector ?? {});
  return entries.length > 0 && entries.every(([key, value]) => labels[key] === value);
}
