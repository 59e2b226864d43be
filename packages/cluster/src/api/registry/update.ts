// From what a client asked for to what an update may store. Pure (apiserver: registry/rest/update.go, BeforeUpdate).
import { conflict, deepEqual, type FieldError, type KindInfo } from "@wherry/kube";
import { cloneDraft, type Draft, type StoredObject } from "./objects.ts";

/** Which part of an object an update may change. */
export type UpdateScope = "object" | "status" | "finalizers" | "binding";

/** An update may say which version, and which object, it means. @throws StatusError 409 when that is another one by now. */
export function checkIdentity(kind: KindInfo, asked: Draft, current: StoredObject): void {
  const { uid, resourceVersion } = asked.metadata;
  const { name } = current.metadata;
  if (uid !== undefined && uid !== "" && uid !== current.metadata.uid)
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`,
    );
  if (resourceVersion !== undefined && resourceVersion !== "" && resourceVersion !== current.metadata.resourceVersion)
    throw conflict(kind, name);
}

/** What of `asked` counts in this scope; the rest is the current object's. */
export function scoped(asked: Draft, current: StoredObject, scope: UpdateScope, kind: KindInfo): Draft {
  if (scope === "finalizers") {
    const next = cloneDraft(current);
    next.spec = asked.spec;
    return next;
  }
  if (scope === "binding") return asked;
  if (scope === "object") {
    if (kind.hasStatus) setOrDelete(asked, "status", current.status);
    return asked;
  }
  const next = cloneDraft(current);
  setOrDelete(next, "status", asked.status);
  const { labels, annotations, finalizers } = asked.metadata;
  // apps kinds keep their labels through /status; ownership changes through the main resource alone.
  if (kind.group !== "apps") setOrDelete(next.metadata, "labels", labels);
  setOrDelete(next.metadata, "annotations", annotations);
  setOrDelete(next.metadata, "finalizers", finalizers);
  return next;
}

/** Never leaves a field that is there and undefined. */
function setOrDelete<T extends object, Field extends keyof T>(
  target: T,
  field: Field,
  value: T[Field] | undefined,
): void {
  if (value === undefined) Reflect.deleteProperty(target, field);
  else target[field] = value;
}

/** What an update can't change (apiserver: rest.BeforeUpdate). */
export function keepSystemFields(next: Draft, current: StoredObject): void {
  const { metadata } = next;
  const before = current.metadata as Draft["metadata"];
  delete metadata.managedFields;
  delete metadata.selfLink;
  for (const field of systemFields) setOrDelete(metadata, field, before[field]);
}

const systemFields = [
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generation",
  "generateName",
] as const;

/** Nothing may be held up that is being deleted already. */
export function newFinalizers(next: Draft, current: StoredObject): FieldError[] {
  if (current.metadata.deletionTimestamp === undefined) return [];
  const before = new Set(current.metadata.finalizers);
  const added = (next.metadata.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
  if (added.length === 0) return [];
  return [
    {
      field: "metadata.finalizers",
      reason: "FieldValueForbidden",
      message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
    },
  ];
}

const ignoredByEquality = new Set(["resourceVersion", "managedFields"]);

/** Would storing it change nothing but the version? */
export const isSame = (next: Draft, current: StoredObject): boolean =>
  deepEqual(comparable(next), comparable(current as unknown as Draft));

function comparable(object: Draft): unknown {
  const metadata = Object.entries(object.metadata).filter(([field]) => !ignoredByEquality.has(field));
  return { ...object, metadata: Object.fromEntries(metadata) };
}
