// Who owns whom, by uid, as the caches tell it. Decides nothing and writes nothing.
import type { KubeObject, OwnerReference, Stored } from "@wherry/kube";
import type { Resource } from "@wherry/kube/client";

/** One object of the graph. */
export interface GraphNode {
  readonly resource: Resource;
  readonly object: Stored<KubeObject>;
}

const noDependents: ReadonlySet<string> = new Set();

export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  /** Every object. */
  get nodes(): Iterable<GraphNode> {
    return this.#nodes.values();
  }

  dependentsOf(uid: string): GraphNode[] {
    const nodes: GraphNode[] = [];
    for (const dependent of this.#dependents.get(uid) ?? noDependents) {
      const node = this.#nodes.get(dependent);
      if (node !== undefined) nodes.push(node);
    }
    return nodes;
  }

  hasDependents(uid: string): boolean {
    return this.#dependents.has(uid);
  }

  put(node: GraphNode): void {
    const { uid } = node.object.metadata;
    const before = ownersOf(this.#nodes.get(uid)?.object);
    const now = ownersOf(node.object);
    this.#nodes.set(uid, node);
    for (const { uid: owner } of before)
      if (!now.some((reference) => reference.uid === owner)) this.#unlink(owner, uid);
    for (const { uid: owner } of now) {
      const dependents = this.#dependents.get(owner);
      if (dependents === undefined) this.#dependents.set(owner, new Set([uid]));
      else dependents.add(uid);
    }
  }

  remove(uid: string): void {
    for (const { uid: owner } of ownersOf(this.#nodes.get(uid)?.object)) this.#unlink(owner, uid);
    this.#nodes.delete(uid);
  }

  #unlink(owner: string, dependent: string): void {
    const dependents = this.#dependents.get(owner);
    dependents?.delete(dependent);
    if (dependents?.size === 0) this.#dependents.delete(owner);
  }
}

export function ownersOf(object: KubeObject | undefined): readonly OwnerReference[] {
  return object?.metadata?.ownerReferences ?? [];
}
