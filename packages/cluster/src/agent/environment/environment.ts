// Puts a container's environment together. Nothing is inherited from the daemon but the few variables handed in as `base`.
import type { ConfigMap, Container, EnvVar, EnvVarSource, Secret } from "@wherry/kube";
import { configError } from "../errors.ts";
import { expand } from "./expand.ts";
import { fieldValue, type PodFacts, resourceValue } from "./fields.ts";

/** Reads what an environment or a volume refers to, in the pod's namespace. Undefined: there is none. */
export interface References {
  configMap(name: string): Promise<ConfigMap | undefined>;
  secret(name: string): Promise<Secret | undefined>;
}

export interface EnvironmentInput {
  readonly facts: PodFacts;
  readonly container: Container;
  /** The host's own few: PATH, HOME, LANG, TZ. Not seen by `$(NAME)`. */
  readonly base: Readonly<Record<string, string>>;
  readonly image: Readonly<Record<string, string>>;
  /** Service variables, POD_IP and the like. */
  readonly given: Readonly<Record<string, string>>;
  readonly references: References;
}

export interface Environment {
  /** The whole environment. */
  readonly all: Record<string, string>;
  /** What `$(NAME)` in command and args may name. */
  readonly declared: Readonly<Record<string, string>>;
}

/**
 * Later wins: base, image, given, envFrom, env. A variable's value may refer to those before it.
 * @throws WherryError `AGENT_CONTAINER_CONFIG` for what is missing and not optional
 */
export async function assembleEnvironment(input: EnvironmentInput): Promise<Environment> {
  const declared: Record<string, string> = Object.assign(Object.create(null), input.given) as Record<string, string>;
  for (const source of input.container.envFrom ?? []) {
    const prefix = source.prefix ?? "";
    for (const [key, value] of Object.entries(await wholeSource(input.references, source)))
      declared[prefix + key] = value;
  }
  for (const variable of input.container.env ?? []) {
    const value = await valueOf(input, variable, declared);
    if (value !== undefined) declared[variable.name] = value;
  }
  return { all: { ...input.base, ...input.image, ...declared }, declared };
}

async function wholeSource(
  references: References,
  source: NonNullable<Container["envFrom"]>[number],
): Promise<Readonly<Record<string, string>>> {
  if (source.configMapRef !== undefined) {
    const { name = "", optional } = source.configMapRef;
    const found = await references.configMap(name);
    if (found === undefined && optional !== true) throw configError(`configmap "${name}" not found`);
    return found?.data ?? {};
  }
  if (source.secretRef !== undefined) {
    const { name = "", optional } = source.secretRef;
    const found = await references.secret(name);
    if (found === undefined && optional !== true) throw configError(`secret "${name}" not found`);
    return Object.fromEntries(Object.entries(found?.data ?? {}).map(([key, value]) => [key, decode(value)]));
  }
  return {};
}

async function valueOf(
  input: EnvironmentInput,
  variable: EnvVar,
  declared: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  if (variable.valueFrom !== undefined) return await referenced(input, variable.valueFrom);
  return expand(variable.value ?? "", (name) => declared[name]);
}

async function referenced(input: EnvironmentInput, from: EnvVarSource): Promise<string | undefined> {
  const namespace = input.facts.pod.metadata?.namespace ?? "";
  if (from.fieldRef !== undefined) return fieldValue(input.facts, from.fieldRef.fieldPath);
  if (from.resourceFieldRef !== undefined) {
    const name = from.resourceFieldRef.containerName;
    const other = name === undefined || name === "" ? input.container : containerNamed(input.facts, name);
    return resourceValue(input.facts, other, from.resourceFieldRef);
  }
  if (from.configMapKeyRef !== undefined) {
    const { name = "", key, optional } = from.configMapKeyRef;
    const found = await input.references.configMap(name);
    const value = ownValue(found?.data, key);
    if (value === undefined && optional !== true)
      throw configError(
        found === undefined
          ? `configmap "${name}" not found`
          : `couldn't find key ${key} in ConfigMap ${namespace}/${name}`,
      );
    return value;
  }
  if (from.secretKeyRef !== undefined) {
    const { name = "", key, optional } = from.secretKeyRef;
    const found = await input.references.secret(name);
    const value = ownValue(found?.data, key);
    if (value === undefined && optional !== true)
      throw configError(
        found === undefined ? `secret "${name}" not found` : `couldn't find key ${key} in Secret ${namespace}/${name}`,
      );
    return value === undefined ? undefined : decode(value);
  }
  throw configError(
    "env.valueFrom must be one of fieldRef, resourceFieldRef, configMapKeyRef and secretKeyRef here: fileKeyRef is not offered",
  );
}

function containerNamed(facts: PodFacts, name: string): Container | undefined {
  return [...(facts.pod.spec?.containers ?? []), ...(facts.pod.spec?.initContainers ?? [])].find(
    (c) => c.name === name,
  );
}

function ownValue(map: Readonly<Record<string, string>> | undefined, key: string): string | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}
