// What becomes of one object whose owners, or own deletion, changed. Pure.
// Mirrors upstream pkg/controller/garbagecollector/garbagecollector.go (attemptToDeleteItem, processDeletingDependentsItem).
import type { KubeObject, OwnerReference, Stored } from "@wherry/kube";
import { isDeleting } from "../objects.ts";
import { ownersOf } from "./graph.ts";

const foregroundFinalizer = "foregroundDeletion";
export const orphanFinalizer = "orphan";

/** `unknown`: this cluster doesn't serve such a kind, so nobody can tell; it counts as there. */
export type OwnerState = "present" | "waitingForDependents" | "absent" | "unknown";

export interface GarbageWorld {
  readonly object: Stored<KubeObject>;
  readonly stateOf: (owner: OwnerReference) => OwnerState;
  readonly dependents: readonly Stored<KubeObject>[];
}

export type GarbageAction =
  | { readonly type: "keep" }
  /** Some owners are gone, others live: only the dead references go. */
  | { readonly type: "dropOwners"; readonly uids: readonly string[] }
  /** First lets owners in a cycle go on: they must not wait for what waits for them. */
  | { readonly type: "delete"; readonly policy: DeletionPolicy; readonly unblockOwners: boolean }
  /** The owner is to go, its dependents stay. */
  | { readonly type: "orphanDependents" }
  /** The object waits for these to go; they are looked at first. */
  | { readonly type: "awaitDependents"; readonly blocking: readonly Stored<KubeObject>[] }
  | { readonly type: "removeFinalizer"; readonly finalizer: string };

type DeletionPolicy = "Background" | "Foreground" | "Orphan";

export function planGarbage(world: GarbageWorld): GarbageAction {
  const { object } = world;
  if (isDeleting(object)) return planDeleting(world);
  const owners = ownersOf(object);
  if (owners.length === 0) return { type: "keep" };
  const states = owners.map((owner) => ({ uid: owner.uid, state: world.stateOf(owner) }));
  const gone = states.filter(({ state }) => state === "absent" || state === "waitingForDependents");
  if (gone.length === 0) return { type: "keep" };
  if (gone.length < owners.length) return { type: "dropOwners", uids: gone.map(({ uid }) => uid) };
  const isAwaited = states.some(({ state }) => state === "waitingForDependents");
  if (isAwaited && world.dependents.length > 0)
    // Upstream deletes in the foreground here, so that the owner waits for the whole tree below it.
    return { type: "delete", policy: "Foreground", unblockOwners: world.dependents.some(waitsForDependents) };
  return { type: "delete", policy: policyOf(object), unblockOwners: false };
}

function planDeleting({ object, dependents }: GarbageWorld): GarbageAction {
  const finalizers = object.metadata.finalizers ?? [];
  if (finalizers.includes(orphanFinalizer)) return { type: "orphanDependents" };
  if (!finalizers.includes(foregroundFinalizer)) return { type: "keep" };
  const blocking = dependents.filter((dependent) =>
    ownersOf(dependent).some(
      ({ uid, blockOwnerDeletion }) => uid === object.metadata.uid && blockOwnerDeletion === true,
    ),
  );
  if (blocking.length === 0) return { type: "removeFinalizer", finalizer: foregroundFinalizer };
  return { type: "awaitDependents", blocking };
}

/** Its own finalizers say how it wants to be deleted. */
function policyOf(object: KubeObject): DeletionPolicy {
  const finalizers = object.metadata?.finalizers ?? [];
  if (finalizers.includes(orphanFinalizer)) return "Orphan";
  return finalizers.includes(foregroundFinalizer) ? "Foreground" : "Background";
}

/** In foreground deletion itself. */
export function waitsForDependents(object: KubeObject): boolean {
  return isDeleting(object) && (object.metadata?.finalizers ?? []).includes(foregroundFinalizer);
}
