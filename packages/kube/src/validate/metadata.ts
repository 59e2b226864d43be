// What every object's metadata must be, new and changed. (apimachinery: pkg/api/validation/objectmeta.go)
import { limits } from "../limits.ts";
import { isLabelValue, type NameRule, nameProblems } from "../names.ts";
import type { ObjectMeta } from "../types/index.ts";
import { deepEqual } from "../value.ts";
import type { Errors } from "./errors.ts";
import { labelKeyRule } from "./rules.ts";

const labelValueProblem =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is " +
  "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

export function checkLabels(
  labels: { readonly [key: string]: unknown } | undefined,
  path: string,
  errors: Errors,
): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const problem of labelKeyRule(key)) errors.invalid(path, key, problem);
    if (typeof value !== "string" || isLabelValue(value)) continue;
    errors.invalid(
      path,
      value,
      value.length > limits.dnsLabelMax ? "must be no more than 63 bytes" : labelValueProblem,
    );
  }
}

function checkAnnotations(annotations: ObjectMeta["annotations"], path: string, errors: Errors): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const problem of labelKeyRule(key.toLowerCase())) errors.invalid(path, key, problem);
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > limits.annotationsBytesMax) errors.tooLong(path, limits.annotationsBytesMax);
}

function checkName(metadata: ObjectMeta, rule: NameRule, errors: Errors): void {
  const { name = "", generateName = "" } = metadata;
  if (generateName !== "")
    for (const problem of nameProblems(rule, generateName.replace(/-$/, "a")))
      errors.invalid("metadata.generateName", generateName, problem);
  if (name !== "") for (const problem of nameProblems(rule, name)) errors.invalid("metadata.name", name, problem);
  else if (generateName === "") errors.required("metadata.name", "name or generateName is required");
}

function checkOwners(metadata: ObjectMeta, errors: Errors): void {
  const controllers = (metadata.ownerReferences ?? []).filter((owner) => owner.controller === true);
  if (controllers.length > 1)
    errors.invalid(
      "metadata.ownerReferences",
      metadata.ownerReferences,
      `Only one reference can have Controller set to true. Found "true" in references for ${controllers
        .map(({ kind, name }) => `${kind}/${name}`)
        .join(" and ")}`,
    );
}

/** Labels and annotations alone: the metadata of a pod template. */
export function checkTemplateMetadata(metadata: ObjectMeta | undefined, path: string, errors: Errors): void {
  checkLabels(metadata?.labels, `${path}.labels`, errors);
  checkAnnotations(metadata?.annotations, `${path}.annotations`, errors);
}

export function checkMetadata(metadata: ObjectMeta, rule: NameRule, namespaced: boolean, errors: Errors): void {
  checkName(metadata, rule, errors);
  if (!namespaced && (metadata.namespace ?? "") !== "")
    errors.forbidden("metadata.namespace", "not allowed on this type");
  if (namespaced && metadata.namespace !== undefined && metadata.namespace !== "")
    for (const problem of nameProblems("label", metadata.namespace))
      errors.invalid("metadata.namespace", metadata.namespace, problem);
  checkTemplateMetadata(metadata, "metadata", errors);
  checkOwners(metadata, errors);
  for (const finalizer of metadata.finalizers ?? [])
    for (const problem of labelKeyRule(finalizer)) errors.invalid("metadata.finalizers", finalizer, problem);
}

const fixed = [
  "name",
  "namespace",
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
] as const;

/** What a write must not change. A field that the client left out counts as unchanged. */
export function checkMetadataUpdate(next: ObjectMeta, previous: ObjectMeta, errors: Errors): void {
  for (const name of fixed)
    if (next[name] !== undefined && !deepEqual(next[name], previous[name]))
      errors.invalid(`metadata.${name}`, next[name], "field is immutable");
  if (previous.deletionTimestamp === undefined) return;
  const added = (next.finalizers ?? []).filter((finalizer) => !(previous.finalizers ?? []).includes(finalizer));
  if (added.length > 0)
    errors.forbidden(
      "metadata.finalizers",
      `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added
        .map((finalizer) => JSON.stringify(finalizer))
        .join(", ")}}`,
    );
}
