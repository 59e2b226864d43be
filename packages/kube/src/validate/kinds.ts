// The checks that belong to one kind, or to a definition that is not part of a pod.
import { limits } from "../limits.ts";
import { selectorOf } from "../select/labels.ts";
import type { ObjectMeta } from "../types/index.ts";
import { field, fieldAt, isObject } from "../value.ts";
import type { Errors } from "./errors.ts";
import { checkLabels, checkTemplateMetadata } from "./metadata.ts";
import { podChecks } from "./pod.ts";
import { configKeyRule, ipRule } from "./rules.ts";
import type { Check, Checks, Part } from "./walk.ts";

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** A workload's selector must select its own template, whose pods must be meant to run forever. */
const workloadSpec: Check = (spec, path, errors) => {
  const { selector, template } = spec;
  if (isObject(selector)) {
    const isEmpty =
      Object.keys(isObject(selector["matchLabels"]) ? selector["matchLabels"] : {}).length === 0 &&
      list(selector["matchExpressions"]).length === 0;
    if (isEmpty) errors.invalid(`${path}.selector`, selector, "empty selector is invalid for deployment");
    else checkTemplateLabels(selector, template, path, errors);
  }
  if (!isObject(template)) {
    errors.required(`${path}.template`);
    return;
  }
  if (template["spec"] === undefined) errors.required(`${path}.template.spec.containers`);
  const restartPolicy = fieldAt(template, ["spec", "restartPolicy"]);
  if (restartPolicy !== undefined && restartPolicy !== "Always")
    errors.unsupported(`${path}.template.spec.restartPolicy`, restartPolicy, ["Always"]);
  if (fieldAt(template, ["spec", "activeDeadlineSeconds"]) !== undefined)
    errors.forbidden(
      `${path}.template.spec.activeDeadlineSeconds`,
      "activeDeadlineSeconds in ReplicaSet is not Supported",
    );
};

function checkTemplateLabels(selector: Part, template: unknown, path: string, errors: Errors): void {
  const labels = fieldAt(template, ["metadata", "labels"]);
  let matches: boolean;
  try {
    matches = selectorOf(selector).matches((labels ?? {}) as Record<string, string>);
  } catch {
    errors.invalid(`${path}.selector`, selector, "invalid label selector");
    return;
  }
  if (!matches)
    errors.invalid(`${path}.template.metadata.labels`, labels, "`selector` does not match template `labels`");
}

const template: Check = (part, path, errors) =>
  checkTemplateMetadata(part["metadata"] as ObjectMeta | undefined, `${path}.metadata`, errors);

const percent = /^\d+%$/;

function checkShare(value: unknown, path: string, most100: boolean, errors: Errors): boolean {
  if (typeof value === "number" && value < 0) errors.invalid(path, value, "must be greater than or equal to 0");
  if (typeof value !== "string") return value === 0;
  if (!percent.test(value))
    errors.invalid(
      path,
      value,
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    );
  else if (most100 && Number(value.slice(0, -1)) > 100) errors.invalid(path, value, "must not be greater than 100%");
  return value === "0%";
}

const rollingUpdate: Check = (part, path, errors) => {
  const noneUnavailable = checkShare(part["maxUnavailable"], `${path}.maxUnavailable`, true, errors);
  const noneSurplus = checkShare(part["maxSurge"], `${path}.maxSurge`, false, errors);
  if (noneUnavailable && noneSurplus)
    errors.invalid(`${path}.maxUnavailable`, part["maxUnavailable"], "may not be 0 when `maxSurge` is 0");
};

const strategy: Check = (part, path, errors) => {
  if (part["type"] === "Recreate" && part["rollingUpdate"] !== undefined)
    errors.forbidden(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'");
};

const deploymentSpec: Check = (spec, path, errors) => {
  workloadSpec(spec, path, errors);
  const { progressDeadlineSeconds: deadline, minReadySeconds: ready = 0 } = spec;
  if (typeof deadline === "number" && typeof ready === "number" && deadline <= ready)
    errors.invalid(`${path}.progressDeadlineSeconds`, deadline, "must be greater than minReadySeconds");
};

const budgetSpec: Check = (spec, path, errors) => {
  if (spec["minAvailable"] !== undefined && spec["maxUnavailable"] !== undefined)
    errors.invalid(path, spec, "minAvailable and maxUnavailable cannot be both set");
  checkShare(spec["minAvailable"], `${path}.minAvailable`, true, errors);
  checkShare(spec["maxUnavailable"], `${path}.maxUnavailable`, true, errors);
};

const labelSelector: Check = (part, path, errors) =>
  checkLabels(isObject(part["matchLabels"]) ? part["matchLabels"] : {}, `${path}.matchLabels`, errors);

const serviceSpec: Check = (spec, path, errors) => {
  const ports = list(spec["ports"]).filter(isObject);
  const { type, clusterIP } = spec;
  if (ports.length === 0 && type !== "ExternalName" && clusterIP !== "None") errors.required(`${path}.ports`);
  if (type === "ExternalName" && (spec["externalName"] ?? "") === "") errors.required(`${path}.externalName`);
  if (type === "ExternalName" && (clusterIP ?? "") !== "")
    errors.forbidden(`${path}.clusterIPs`, "may not be set when type is ExternalName");
  if (typeof clusterIP === "string" && clusterIP !== "" && clusterIP !== "None")
    for (const problem of ipRule(clusterIP)) errors.invalid(`${path}.clusterIPs[0]`, clusterIP, problem);
  if (clusterIP === "None" && (type === "NodePort" || type === "LoadBalancer"))
    errors.invalid(`${path}.clusterIPs[0]`, "None", `may not be set to 'None' for ${type} services`);
  checkLabels(isObject(spec["selector"]) ? spec["selector"] : {}, `${path}.selector`, errors);
  checkServicePorts(ports, `${path}.ports`, errors);
};

function checkServicePorts(ports: readonly Part[], path: string, errors: Errors): void {
  const seen = new Set<string>();
  for (const [index, port] of ports.entries()) {
    if (ports.length > 1 && (port["name"] ?? "") === "") errors.required(`${path}[${index}].name`);
    const key = JSON.stringify([port["port"], port["protocol"]]);
    if (seen.has(key)) errors.duplicate(`${path}[${index}]`, { port: port["port"], protocol: port["protocol"] });
    seen.add(key);
  }
}

function checkKeys(data: unknown, path: string, errors: Errors): number {
  let bytes = 0;
  if (!isObject(data)) return bytes;
  for (const [key, value] of Object.entries(data)) {
    for (const problem of configKeyRule(key)) errors.invalid(`${path}[${key}]`, key, problem);
    bytes += Buffer.byteLength(key) + (typeof value === "string" ? Buffer.byteLength(value) : 0);
  }
  return bytes;
}

const configMap: Check = (part, _path, errors) => {
  const bytes = checkKeys(part["data"], "data", errors) + checkKeys(part["binaryData"], "binaryData", errors);
  if (bytes > limits.dataBytesMax) errors.tooLong("data", limits.dataBytesMax);
  for (const key of Object.keys(isObject(part["binaryData"]) ? part["binaryData"] : {}))
    if (field(part["data"], key) !== undefined)
      errors.invalid(`data[${key}]`, key, "duplicate of key present in binaryData");
};

/** Values in base64 take four characters for three bytes. */
const secret: Check = (part, _path, errors) => {
  if ((checkKeys(part["data"], "data", errors) * 3) / 4 > limits.dataBytesMax)
    errors.tooLong("data", limits.dataBytesMax);
  const needed: Record<string, readonly string[]> = {
    "kubernetes.io/tls": ["tls.crt", "tls.key"],
    "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
    "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  };
  const type = typeof part["type"] === "string" ? part["type"] : "";
  for (const key of Object.hasOwn(needed, type) ? (needed[type] ?? []) : [])
    if (field(part["data"], key) === undefined) errors.required(`data[${key}]`);
};

const endpointSlice: Check = (part, _path, errors) => {
  if (list(part["endpoints"]).length > 1000) errors.invalid("endpoints", "", "must have at most 1000 items");
  if (part["addressType"] !== "IPv4") return;
  for (const [index, endpoint] of list(part["endpoints"]).entries())
    for (const [at, address] of list(field(endpoint, "addresses")).entries())
      for (const problem of ipRule(String(address)))
        errors.invalid(`endpoints[${index}].addresses[${at}]`, address, problem);
};

export const checks: Checks = {
  ...podChecks,
  ConfigMap: configMap,
  DeploymentSpec: deploymentSpec,
  DeploymentStrategy: strategy,
  EndpointSlice: endpointSlice,
  LabelSelector: labelSelector,
  PodDisruptionBudgetSpec: budgetSpec,
  PodTemplateSpec: template,
  ReplicaSetSpec: workloadSpec,
  RollingUpdateDeployment: rollingUpdate,
  Secret: secret,
  ServiceSpec: serviceSpec,
};
/** Kinds whose `spec` must be there, although the definition makes it optional. */
export const specRequired: ReadonlySet<string> = new Set(["Deployment", "Pod", "ReplicaSet", "Service"]);
