// What a DELETE does to an object: remove it, mark it and wait, or nothing more. Pure. The rules of apiserver's
// registry/rest/delete.go (BeforeDelete) and registry/generic/registry/store.go (finalizers, garbage collection).
import { conflict, type DeleteOptions, type KindInfo } from "@wherry/kube";
import { cloneDraft, type Draft, type StoredObject } from "./objects.ts";
import type { Strategy } from "./strategy.ts";

export type DeletePlan =
  /** `last` is the version that watchers see. */
  | { readonly action: "remove"; readonly last: Draft }
  | { readonly action: "mark"; readonly next: Draft }
  /** It is being deleted already, and this request changes nothing. */
  | { readonly action: "wait" };

const foregroundFinalizer = "foregroundDeletion";
const orphanFinalizer = "orphan";

/** @throws StatusError 409 when a precondition does not hold. */
export function checkPreconditions(kind: KindInfo, object: StoredObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { metadata } = object;
  if (uid !== undefined && uid !== metadata.uid)
    throw conflict(
      kind,
      metadata.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
    );
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion)
    throw conflict(
      kind,
      metadata.name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    );
}

export function planDelete(
  strategy: Strategy,
  object: StoredObject,
  options: DeleteOptions,
  nowMs: number,
): DeletePlan {
  const next = cloneDraft(object);
  const finalizersChanged = setFinalizers(next, options);
  const outcome = strategy.graceSeconds === undefined ? "now" : setGrace(next, object, strategy, options, nowMs);
  if (outcome === "pending" && !finalizersChanged) return { action: "wait" };
  const held = (next.metadata.finalizers?.length ?? 0) > 0 || strategy.holdsDeletion?.(next) === true;
  if (outcome === "now" && !held) return { action: "remove", last: next };
  if (next.metadata.deletionTimestamp === undefined) {
    next.metadata.deletionTimestamp = timestamp(nowMs);
    next.metadata.deletionGracePeriodSeconds ??= 0;
    if (next.metadata.generation !== undefined) next.metadata.generation++;
  } else if (outcome === "now" && !finalizersChanged && object.metadata.deletionTimestamp !== undefined) {
    if (object.metadata.deletionGracePeriodSeconds === next.metadata.deletionGracePeriodSeconds)
      return { action: "wait" };
  }
  strategy.prepareDeletion?.(next);
  return { action: "mark", next };
}

/** Sets the deletion's time and grace. `pending`: it was being deleted, and no sooner now. `now`: nothing to wait for. */
function setGrace(
  next: Draft,
  object: StoredObject,
  strategy: Strategy,
  options: DeleteOptions,
  nowMs: number,
): "now" | "later" | "pending" {
  const { metadata } = next;
  const requested = options.gracePeriodSeconds === undefined ? undefined : nonNegative(options.gracePeriodSeconds);
  if (metadata.deletionTimestamp !== undefined) {
    const current = metadata.deletionGracePeriodSeconds ?? 0;
    if (current === 0) return "now";
    if (requested === undefined || requested >= current) return "pending";
    metadata.deletionTimestamp = timestamp(Date.parse(metadata.deletionTimestamp) + (requested - current) * 1000);
    metadata.deletionGracePeriodSeconds = requested;
    return requested === 0 ? "now" : "later";
  }
  const seconds = strategy.graceSeconds?.(object, requested) ?? 0;
  metadata.deletionTimestamp = timestamp(nowMs + seconds * 1000);
  metadata.deletionGracePeriodSeconds = seconds;
  if (metadata.generation !== undefined) metadata.generation++;
  return seconds === 0 ? "now" : "later";
}

/** A negative grace period means one second (KEP: pod deletion, v1.32). */
const nonNegative = (seconds: number): number => (seconds < 0 ? 1 : seconds);

function setFinalizers(next: Draft, options: DeleteOptions): boolean {
  const policy =
    options.propagationPolicy ??
    (options.orphanDependents === undefined ? undefined : options.orphanDependents ? "Orphan" : "Background");
  if (policy === undefined) return false;
  const before = next.metadata.finalizers ?? [];
  const after = before.filter((finalizer) => finalizer !== foregroundFinalizer && finalizer !== orphanFinalizer);
  if (policy === "Foreground") after.push(foregroundFinalizer);
  if (policy === "Orphan") after.push(orphanFinalizer);
  if (after.length === before.length && after.every((finalizer, index) => finalizer === before[index])) return false;
  if (after.length > 0) next.metadata.finalizers = after;
  else delete next.metadata.finalizers;
  return true;
}

/** Kubernetes' Time: RFC 3339, whole seconds, UTC. */
export const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
