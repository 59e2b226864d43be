// What a change must not change. A table of immutable fields, and the few kinds whose rule is more than that.
import { deepEqual, field, fieldAt, isObject } from "../value.ts";
import type { Errors } from "./errors.ts";

const immutableFields: { readonly [kind: string]: readonly string[] } = {
  Deployment: ["spec.selector"],
  EndpointSlice: ["addressType"],
  ReplicaSet: ["spec.selector"],
  Secret: ["type"],
};

/** Fields that can't change, nor be unset, once `immutable` is true. */
const sealedFields: { readonly [kind: string]: readonly string[] } = {
  ConfigMap: ["data", "binaryData"],
  Secret: ["data"],
};

const sealed = "field is immutable when `immutable` is set";

type Object = { readonly [field: string]: unknown };

function checkSealed(kind: string, next: Object, previous: Object, errors: Errors): void {
  if (previous["immutable"] !== true) return;
  if (next["immutable"] !== true) errors.forbidden("immutable", sealed);
  for (const name of sealedFields[kind] ?? [])
    if (!deepEqual(next[name] ?? {}, previous[name] ?? {})) errors.forbidden(name, sealed);
}

const podRule =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`," +
  "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)," +
  "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** The spec without what may change: those fields are checked one by one. */
function fixedPart(spec: Object): unknown {
  const withoutImages = (containers: unknown): unknown[] =>
    list(containers).map((container) => (isObject(container) ? { ...container, image: "" } : container));
  return {
    ...spec,
    containers: withoutImages(spec["containers"]),
    initContainers: withoutImages(spec["initContainers"]),
    activeDeadlineSeconds: undefined,
    tolerations: undefined,
    terminationGracePeriodSeconds: undefined,
    schedulingGates: undefined,
  };
}

/** Where two specs differ, for the message: `spec.hostname`. */
function firstDifference(next: unknown, previous: unknown, path: string): string {
  if (!isObject(next) || !isObject(previous)) return path;
  for (const key of new Set([...Object.keys(next), ...Object.keys(previous)]))
    if (!deepEqual(field(next, key), field(previous, key)))
      return firstDifference(field(next, key), field(previous, key), `${path}.${key}`);
  return path;
}

function checkPod(next: Object, previous: Object, errors: Errors): void {
  const nextSpec = isObject(next["spec"]) ? next["spec"] : {};
  const previousSpec = isObject(previous["spec"]) ? previous["spec"] : {};
  for (const name of ["containers", "initContainers"]) {
    if (list(nextSpec[name]).length === list(previousSpec[name]).length) continue;
    errors.forbidden(`spec.${name}`, "pod updates may not add or remove containers");
    return;
  }
  const fixed = [fixedPart(nextSpec), fixedPart(previousSpec)] as const;
  if (!deepEqual(...fixed)) errors.forbidden("spec", `${podRule}\n  differs: ${firstDifference(...fixed, "spec")}`);
  const [was, is] = [previousSpec["activeDeadlineSeconds"], nextSpec["activeDeadlineSeconds"]];
  if (typeof was === "number" && (typeof is !== "number" || is > was))
    errors.invalid("spec.activeDeadlineSeconds", is, "must be less than or equal to previous value");
  const [grace, newGrace] = [previousSpec["terminationGracePeriodSeconds"], nextSpec["terminationGracePeriodSeconds"]];
  if (grace !== newGrace && !(newGrace === 1 && typeof grace === "number" && grace < 0))
    errors.forbidden("spec", podRule);
  for (const toleration of list(previousSpec["tolerations"]))
    if (!list(nextSpec["tolerations"]).some((kept) => sameToleration(kept, toleration)))
      errors.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
  const gates = list(previousSpec["schedulingGates"]);
  if (list(nextSpec["schedulingGates"]).some((gate) => !gates.some((known) => deepEqual(known, gate))))
    errors.forbidden("spec.schedulingGates", "only deletion is allowed, but found new scheduling gate");
}

const sameToleration = (a: unknown, b: unknown): boolean =>
  isObject(a) && isObject(b) && deepEqual({ ...a, tolerationSeconds: 0 }, { ...b, tolerationSeconds: 0 });

function checkService(next: Object, previous: Object, errors: Errors): void {
  const was = fieldAt(previous, ["spec", "clusterIP"]);
  const is = fieldAt(next, ["spec", "clusterIP"]);
  const external = [previous, next].some((one) => fieldAt(one, ["spec", "type"]) === "ExternalName");
  if (external || typeof was !== "string" || was === "" || is === was) return;
  errors.invalid("spec.clusterIPs[0]", [is ?? ""], "may not change once set");
}

export function checkUpdate(kind: string, next: Object, previous: Object, errors: Errors): void {
  for (const path of immutableFields[kind] ?? []) {
    const steps = path.split(".");
    if (!deepEqual(fieldAt(next, steps), fieldAt(previous, steps)))
      errors.invalid(path, fieldAt(next, steps), "field is immutable");
  }
  checkSealed(kind, next, previous, errors);
  if (kind === "Pod") checkPod(next, previous, errors);
  if (kind === "Service") checkService(next, previous, errors);
}
