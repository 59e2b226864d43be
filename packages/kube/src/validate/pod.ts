// Pods and pod templates: the checks that need more than one field. (kubernetes: pkg/apis/core/validation/validation.go)
import { compareQuantities, parseQuantity } from "../quantity.ts";
import { field, isObject } from "../value.ts";
import { below, type Errors } from "./errors.ts";
import type { Check, Checks, Part } from "./walk.ts";

const parts = (value: unknown): Part[] => (Array.isArray(value) ? value.filter(isObject) : []);
const present = (value: unknown): boolean => value !== undefined && value !== null;

/** Of a one-of: none is required, more than one is forbidden. */
function exactlyOne(part: Part, names: readonly string[], path: string, what: string, errors: Errors): void {
  const given = names.filter((name) => present(part[name]));
  if (given.length === 0) errors.required(path, `must specify a ${what}`);
  for (const name of given.slice(1)) errors.forbidden(below(path, name), `may not specify more than 1 ${what}`);
}

const probe: Check = (part, path, errors) =>
  exactlyOne(part, ["exec", "httpGet", "tcpSocket", "grpc"], path, "handler type", errors);
const lifecycle: Check = (part, path, errors) =>
  exactlyOne(part, ["exec", "httpGet", "tcpSocket", "sleep"], path, "handler type", errors);

const resources: Check = (part, path, errors) => {
  const limits = isObject(part["limits"]) ? part["limits"] : {};
  const requests = isObject(part["requests"]) ? part["requests"] : {};
  for (const [name, text] of Object.entries(requests)) {
    const request = parseQuantity(text);
    const limitText = field(limits, name);
    const limit = parseQuantity(limitText);
    if (request !== undefined && limit !== undefined && compareQuantities(request, limit) > 0)
      errors.invalid(`${path}.requests`, text, `must be less than or equal to ${name} limit of ${String(limitText)}`);
  }
};

const envVar: Check = (part, path, errors) => {
  const source = part["valueFrom"];
  if (!isObject(source)) return;
  if (present(part["value"]) && part["value"] !== "")
    errors.invalid(`${path}.valueFrom`, "", "may not be specified when `value` is not empty");
  const kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
  const given = kinds.filter((name) => present(source[name]));
  if (given.length === 0)
    errors.invalid(
      `${path}.valueFrom`,
      "",
      "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
    );
  if (given.length > 1) errors.invalid(`${path}.valueFrom`, "", "may not have more than one field specified at a time");
};

const envFrom: Check = (part, path, errors) => {
  const given = ["configMapRef", "secretRef"].filter((name) => present(part[name]));
  if (given.length === 0) errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
  if (given.length > 1) errors.invalid(path, "", "may not have more than one field specified at a time");
};

const volume: Check = (part, path, errors) => {
  const sources = Object.keys(part).filter((name) => name !== "name" && present(part[name]));
  if (sources.length === 0) errors.required(path, "must specify a volume type");
  for (const name of sources.slice(1)) errors.forbidden(below(path, name), "may not specify more than 1 volume type");
};

const toleration: Check = (part, path, errors) => {
  if (part["operator"] === "Exists" && (part["value"] ?? "") !== "")
    errors.invalid(`${path}.operator`, part, "value must be empty when `operator` is 'Exists'");
  if ((part["key"] ?? "") === "" && part["operator"] !== "Exists")
    errors.invalid(
      `${path}.operator`,
      part["operator"] ?? "",
      'operator must be Exists when `key` is empty, which means "match all values and all keys"',
    );
  if (present(part["tolerationSeconds"]) && part["effect"] !== "NoExecute")
    errors.invalid(
      `${path}.effect`,
      part["effect"] ?? "",
      "effect must be 'NoExecute' when `tolerationSeconds` is set",
    );
};

const requirement: Check = (part, path, errors) => {
  const count = Array.isArray(part["values"]) ? part["values"].length : 0;
  if ((part["operator"] === "In" || part["operator"] === "NotIn") && count === 0)
    errors.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
  if ((part["operator"] === "Exists" || part["operator"] === "DoesNotExist") && count > 0)
    errors.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
};

function checkContainer(container: Part, path: string, volumes: ReadonlySet<unknown>, errors: Errors): void {
  if ((container["image"] ?? "") === "") errors.required(`${path}.image`);
  for (const [index, mount] of parts(container["volumeMounts"]).entries())
    if (present(mount["name"]) && !volumes.has(mount["name"]))
      errors.notFound(`${path}.volumeMounts[${index}].name`, mount["name"]);
  for (const name of ["livenessProbe", "startupProbe"] as const) {
    const successes = field(container[name], "successThreshold");
    if (typeof successes === "number" && successes > 1)
      errors.invalid(`${path}.${name}.successThreshold`, successes, "must be 1");
  }
  if (present(field(container["readinessProbe"], "terminationGracePeriodSeconds")))
    errors.invalid(
      `${path}.readinessProbe.terminationGracePeriodSeconds`,
      field(container["readinessProbe"], "terminationGracePeriodSeconds"),
      "must not be set for readinessProbes",
    );
}

function checkInitContainer(container: Part, path: string, errors: Errors): void {
  const policy = container["restartPolicy"];
  if (present(policy) && !["Always", "Never", "OnFailure"].includes(String(policy)))
    errors.unsupported(`${path}.restartPolicy`, policy, ["Always"]);
  if (policy === "Always") return;
  for (const name of ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"])
    if (present(container[name]))
      errors.forbidden(`${path}.${name}`, "may not be set for init containers without restartPolicy=Always");
}

const podSpec: Check = (spec, path, errors) => {
  const volumes = new Set(parts(spec["volumes"]).map((one) => one["name"]));
  const names = new Set<unknown>();
  for (const list of ["containers", "initContainers", "ephemeralContainers"] as const)
    for (const [index, container] of parts(spec[list]).entries()) {
      const at = `${path}.${list}[${index}]`;
      const { name } = container;
      if (names.has(name) && present(name)) errors.duplicate(`${at}.name`, name);
      names.add(name);
      checkContainer(container, at, volumes, errors);
      if (list === "initContainers") checkInitContainer(container, at, errors);
    }
  checkHostPorts(spec, path, errors);
};

function checkHostPorts(spec: Part, path: string, errors: Errors): void {
  const taken = new Set<string>();
  for (const [index, container] of parts(spec["containers"]).entries())
    for (const [at, port] of parts(container["ports"]).entries()) {
      const portPath = `${path}.containers[${index}].ports[${at}].hostPort`;
      if (typeof port["hostPort"] !== "number" || port["hostPort"] === 0) continue;
      if (spec["hostNetwork"] === true && port["hostPort"] !== port["containerPort"])
        errors.invalid(portPath, port["hostPort"], "must match `containerPort` when `hostNetwork` is true");
      const key = JSON.stringify([port["protocol"], port["hostIP"] ?? "", port["hostPort"]]);
      if (taken.has(key)) errors.duplicate(portPath, key);
      taken.add(key);
    }
}

export const podChecks: Checks = {
  EnvFromSource: envFrom,
  EnvVar: envVar,
  LabelSelectorRequirement: requirement,
  LifecycleHandler: lifecycle,
  PodSpec: podSpec,
  Probe: probe,
  ResourceRequirements: resources,
  Toleration: toleration,
  Volume: volume,
};
