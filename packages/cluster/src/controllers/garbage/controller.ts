// Deletes what lost its owners, and sees foreground and orphaning deletions through. Works on every kind that the cluster
// serves; decisions are in plan.ts. It believes a cache that an owner is there, and only the API that it is not.
import { kinds, type KubeObject, type OwnerReference, resources, type Stored } from "@wherry/kube";
import type { Resource } from "@wherry/kube/client";
import {
  type Controller,
  controller,
  type Key,
  type Outcome,
  type Source,
  type WorkQueue,
} from "@wherry/kube/controller";
import type { ControllerEnvironment } from "../environment.ts";
import { isReason, unlessGone } from "../errors.ts";
import { apiVersionOf, isDeleting } from "../objects.ts";
import { type GraphNode, OwnerGraph, ownersOf } from "./graph.ts";
import { type GarbageAction, orphanFinalizer, type OwnerState, planGarbage, waitsForDependents } from "./plan.ts";

/** Events live shorter than anything that they are about, and there are many: they own and are owned by nothing. */
const watched: readonly Resource[] = kinds.filter((kind) => kind !== (resources.events as Resource));

export function garbageController(env: ControllerEnvironment): Controller {
  const loop = new GarbageLoop(env);
  const made = controller({
    name: "garbage",
    env,
    watches: watched.map((resource) => loop.sourceOf(resource)),
    reconcile: (uid) => loop.reconcile(uid),
    workers: 16,
  });
  loop.queue = made.queue;
  return made;
}

class GarbageLoop {
  /** Keys are uids. */
  queue: WorkQueue | undefined;
  readonly #env: ControllerEnvironment;
  readonly #graph = new OwnerGraph();

  constructor(env: ControllerEnvironment) {
    this.#env = env;
  }

  sourceOf(resource: Resource): Source {
    return {
      attach: ({ informers }, queue) => {
        informers.for(resource).onChange((next, previous) => {
          const due =
            next === undefined ? this.#removed(previous) : this.#changed({ resource, object: next }, previous);
          for (const uid of due) queue.add(uid);
        });
      },
    };
  }

  /** Uids to look at because this object came or changed. */
  #changed(node: GraphNode, previous: Stored<KubeObject> | undefined): readonly string[] {
    const { object } = node;
    this.#graph.put(node);
    const due: string[] = [];
    const isDoubtful = ownersOf(object).some((owner) => this.#cachedState(object, owner) !== "present");
    if (isDoubtful || (isDeleting(object) && (object.metadata.finalizers ?? []).length > 0))
      due.push(object.metadata.uid);
    // An owner that begins to wait makes its dependents' references count as dead.
    if (waitsForDependents(object) && (previous === undefined || !waitsForDependents(previous)))
      for (const dependent of this.#graph.dependentsOf(object.metadata.uid)) due.push(dependent.object.metadata.uid);
    for (const { uid } of ownersOf(previous)) if (this.#isWaiting(uid)) due.push(uid);
    return due;
  }

  #removed(object: Stored<KubeObject> | undefined): readonly string[] {
    if (object === undefined) return [];
    const { uid } = object.metadata;
    const waitingOwners = ownersOf(object).filter((owner) => this.#isWaiting(owner.uid));
    this.#graph.remove(uid);
    const dependents = this.#graph.dependentsOf(uid).map((dependent) => dependent.object.metadata.uid);
    return [...dependents, ...waitingOwners.map((owner) => owner.uid)];
  }

  #isWaiting(uid: string): boolean {
    const node = this.#graph.get(uid);
    return node !== undefined && waitsForDependents(node.object);
  }

  async reconcile(uid: Key): Promise<Outcome> {
    const node = this.#graph.get(uid);
    if (node === undefined) return undefined;
    // Mostly there is nothing to do, and the caches are enough to see it.
    const first = await this.#plan(node);
    if (first.type === "keep") return undefined;
    if (first.type === "awaitDependents") {
      for (const dependent of first.blocking) this.queue?.add(dependent.metadata.uid);
      return undefined;
    }
    const fresh = await this.#fresh(node);
    if (fresh === undefined) return undefined;
    await this.#act(fresh, await this.#plan(fresh));
    return undefined;
  }

  async #plan({ object }: GraphNode): Promise<GarbageAction> {
    const states = new Map<OwnerReference, OwnerState>();
    if (!isDeleting(object))
      for (const owner of ownersOf(object)) states.set(owner, await this.#stateOf(object, owner));
    const dependents = this.#graph.dependentsOf(object.metadata.uid).map((dependent) => dependent.object);
    return planGarbage({ object, dependents, stateOf: (owner) => states.get(owner) ?? "unknown" });
  }

  /** The object as the API has it now; undefined when it is gone, or another one has its name. */
  async #fresh({ resource, object }: GraphNode): Promise<GraphNode | undefined> {
    const { name, namespace, uid } = object.metadata;
    const found = await this.#read(resource, name, namespace);
    return found?.metadata.uid === uid ? { resource, object: found } : undefined;
  }

  async #read(resource: Resource, name: string, namespace?: string): Promise<Stored<KubeObject> | undefined> {
    try {
      return await this.#env.client.get(resource, name, namespace);
    } catch (error) {
      if (isReason(error, "NotFound")) return undefined;
      throw error;
    }
  }

  /** `absent` means: not in the cache, ask the API. */
  #cachedState(object: Stored<KubeObject>, owner: OwnerReference): OwnerState {
    const node = this.#graph.get(owner.uid);
    if (node === undefined || !isReferredTo(node, object, owner)) return "absent";
    return waitsForDependents(node.object) ? "waitingForDependents" : "present";
  }

  async #stateOf(object: Stored<KubeObject>, owner: OwnerReference): Promise<OwnerState> {
    const cached = this.#cachedState(object, owner);
    if (cached !== "absent") return cached;
    const resource = kinds.find((kind) => kind.kind === owner.kind && apiVersionOf(kind) === owner.apiVersion);
    if (resource === undefined) return "unknown";
    const { namespace } = object.metadata;
    if (resource.namespaced && namespace === undefined) {
      this.#reportNamespace(object, owner);
      return "unknown";
    }
    const found = await this.#read(resource, owner.name, resource.namespaced ? namespace : undefined);
    if (found?.metadata.uid === owner.uid) return waitsForDependents(found) ? "waitingForDependents" : "present";
    if (this.#graph.get(owner.uid) !== undefined) this.#reportNamespace(object, owner);
    return "absent";
  }

  /** The owner is there, but not where an owner may be: references never cross namespaces. */
  #reportNamespace(object: Stored<KubeObject>, { apiVersion, kind, name, uid }: OwnerReference): void {
    const namespace = object.metadata.namespace ?? "";
    const reference = `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
    const message = `ownerRef ${reference} does not exist in namespace "${namespace}"`;
    this.#env.recorder.event(object, "Warning", "OwnerRefInvalidNamespace", message);
  }

  async #act(node: GraphNode, action: GarbageAction): Promise<void> {
    switch (action.type) {
      case "keep":
      case "awaitDependents":
        return;
      case "dropOwners":
        return this.#patchOwners(
          node,
          action.uids.map((uid) => ({ $patch: "delete", uid })),
        );
      case "delete":
        return this.#delete(node, action);
      case "orphanDependents":
        return this.#orphanDependents(node);
      case "removeFinalizer":
        return this.#removeFinalizer(node, action.finalizer);
    }
  }

  async #delete(node: GraphNode, { policy, unblockOwners }: GarbageAction & { type: "delete" }): Promise<void> {
    if (unblockOwners)
      await this.#patchOwners(
        node,
        ownersOf(node.object).map(({ uid }) => ({ uid, blockOwnerDeletion: false })),
      );
    const fresh = unblockOwners ? await this.#fresh(node) : node;
    if (fresh === undefined) return;
    const { uid, resourceVersion } = fresh.object.metadata;
    const options = { propagationPolicy: policy, preconditions: { uid, resourceVersion } };
    await unlessGone(this.#env.client.delete(node.resource, targetOf(node), options));
  }

  async #orphanDependents(owner: GraphNode): Promise<void> {
    const { uid } = owner.object.metadata;
    for (const dependent of this.#graph.dependentsOf(uid))
      await this.#patchOwners(dependent, [{ $patch: "delete", uid }]);
    await this.#removeFinalizer(owner, orphanFinalizer);
  }

  /** The uid in the body keeps the patch from another object of the same name. */
  async #patchOwners(node: GraphNode, ownerReferences: readonly unknown[]): Promise<void> {
    const body = { metadata: { uid: node.object.metadata.uid, ownerReferences } };
    await unlessGone(this.#env.client.patch(node.resource, targetOf(node), "strategic", body));
  }

  async #removeFinalizer({ resource, object }: GraphNode, finalizer: string): Promise<void> {
    const finalizers = (object.metadata.finalizers ?? []).filter((present) => present !== finalizer);
    const next = { ...object, metadata: { ...object.metadata, finalizers } };
    await unlessGone(this.#env.client.update(resource, next));
  }
}

/** Same kind and name, and in the same namespace unless it has none. */
function isReferredTo({ resource, object }: GraphNode, dependent: Stored<KubeObject>, owner: OwnerReference): boolean {
  return (
    resource.kind === owner.kind &&
    resource.group === (owner.apiVersion.includes("/") ? owner.apiVersion.split("/")[0] : "") &&
    object.metadata.name === owner.name &&
    (!resource.namespaced || object.metadata.namespace === dependent.metadata.namespace)
  );
}

function targetOf({ object: { metadata } }: GraphNode): { readonly name: string; readonly namespace?: string } {
  return metadata.namespace === undefined
    ? { name: metadata.name }
    : { name: metadata.name, namespace: metadata.namespace };
}
