// Applies planned objects as `kubectl apply` does: creates what is missing, else patches what the manifest says and what it
// no longer says (three ways, with kubectl's own last-applied annotation, so that the two tools can be mixed). Refuses
// unknown fields. When one object is refused, what this run created is taken back: nothing half-made stays.
import { isDeepStrictEqual } from "node:util";
import { type KindInfo, kinds, StatusError } from "@wherry/kube";
import type { Transport, TransportRequest } from "@wherry/kube/client";
import type { KubeObject, Stored } from "@wherry/kube/types";
import { CliError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import type { PlannedObject } from "./manifests.ts";

export interface Applied {
  readonly kind: KindInfo;
  readonly object: Stored<KubeObject>;
  readonly outcome: "created" | "configured" | "unchanged";
}

export const lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration";

/** @throws CliError that names the file and document which was refused */
export async function applyObjects(
  transport: Transport,
  planned: readonly PlannedObject[],
): Promise<readonly Applied[]> {
  const resolved = planned.map((one) => ({ ...one, ...resolve(one) }));
  const applied: Applied[] = [];
  try {
    // Namespaces come first: the rest may live in them.
    for (const one of resolved.filter(({ kind }) => kind.kind === "Namespace"))
      applied.push(await applyOne(transport, one.kind, one.object, one.source));
    const rest = resolved.filter(({ kind }) => kind.kind !== "Namespace");
    for (let start = 0; start < rest.length; start += cliLimits.applyConcurrency) {
      const chunk = rest.slice(start, start + cliLimits.applyConcurrency);
      const results = await Promise.allSettled(
        chunk.map((one) => applyOne(transport, one.kind, one.object, one.source)),
      );
      for (const result of results) if (result.status === "fulfilled") applied.push(result.value);
      const refused = results.find((result) => result.status === "rejected");
      if (refused !== undefined) throw refused.reason;
    }
  } catch (error) {
    const kept = await takeBack(transport, applied);
    throw error instanceof CliError ? new CliError(`${error.message}. ${kept}`, error.exitCode) : error;
  }
  return applied;
}

/** Deletes what was created, last first; what is gone already is fine. @returns what has become of it all, for people */
export async function takeBack(transport: Transport, applied: readonly Applied[]): Promise<string> {
  for (const { kind, object, outcome } of [...applied].reverse()) {
    if (outcome !== "created") continue;
    const body = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Background" };
    await transport.request({ method: "DELETE", path: pathOf(kind, object), body });
  }
  const changed = applied.filter(({ outcome }) => outcome === "configured");
  if (changed.length === 0) return 'Nothing of this "wherry up" was kept';
  const names = changed.map(({ kind, object }) => `${kind.kind.toLowerCase()}/${object.metadata.name}`);
  return `What this "wherry up" created was taken back; what it changed stays changed: ${names.join(", ")}`;
}

/** The kind's row, and the object with its namespace. */
function resolve({ object, source }: PlannedObject): { kind: KindInfo; object: KubeObject } {
  const kind = kinds.find(
    (candidate) => candidate.kind === object.kind && apiVersionOf(candidate) === object.apiVersion,
  );
  if (kind === undefined)
    throw new CliError(
      `${source}: no kind ${object.kind ?? "?"} in ${object.apiVersion ?? "?"} is served here. There are: ${kinds.map((one) => `${one.kind} (${apiVersionOf(one)})`).join(", ")}`,
    );
  if (object.metadata?.name === undefined) throw new CliError(`${source}: metadata.name is missing`);
  const namespace = kind.namespaced ? (object.metadata.namespace ?? "default") : undefined;
  return {
    kind,
    object: { ...object, metadata: { ...object.metadata, ...(namespace === undefined ? {} : { namespace }) } },
  };
}

const apiVersionOf = (kind: KindInfo): string => (kind.group === "" ? kind.version : `${kind.group}/${kind.version}`);

function collectionPath(kind: KindInfo, object: KubeObject): string[] {
  const root = kind.group === "" ? ["api", kind.version] : ["apis", kind.group, kind.version];
  return kind.namespaced
    ? [...root, "namespaces", object.metadata?.namespace ?? "default", kind.plural]
    : [...root, kind.plural];
}

const pathOf = (kind: KindInfo, object: KubeObject): string[] => [
  ...collectionPath(kind, object),
  object.metadata?.name ?? "",
];

const strict = (): URLSearchParams => new URLSearchParams({ fieldValidation: "Strict", fieldManager: "wherry" });

async function applyOne(transport: Transport, kind: KindInfo, object: KubeObject, source: string): Promise<Applied> {
  const annotated = withLastApplied(object);
  try {
    const created = await send(transport, {
      method: "POST",
      path: collectionPath(kind, object),
      query: strict(),
      body: annotated,
    });
    return { kind, object: created, outcome: "created" };
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    if (error.reason !== "AlreadyExists") throw refusal(source, error);
  }
  try {
    const live = await send(transport, { method: "GET", path: pathOf(kind, object) });
    const patched = await send(transport, {
      method: "PATCH",
      path: pathOf(kind, object),
      query: strict(),
      contentType: "application/strategic-merge-patch+json",
      body: threeWayPatch(lastApplied(live), annotated),
    });
    const same = patched.metadata.resourceVersion === live.metadata.resourceVersion;
    return { kind, object: patched, outcome: same ? "unchanged" : "configured" };
  } catch (error) {
    if (error instanceof StatusError) throw refusal(source, error);
    throw error;
  }
}

async function send(transport: Transport, request: TransportRequest): Promise<Stored<KubeObject>> {
  const response = await transport.request(request);
  if (response.status >= 200 && response.status < 300) return response.body as Stored<KubeObject>;
  throw new StatusError(response.body as ConstructorParameters<typeof StatusError>[0]);
}

const refusal = (source: string, error: StatusError): CliError =>
  new CliError(`${source}: ${wrongType(error.message) ?? error.message}`);

/** Kubernetes says a value of the wrong type in words of Go, for which programs look. */
function wrongType(message: string): string | undefined {
  const found = /cannot unmarshal (\w+) into Go struct field \w+\.(\S+) of type (\S+)$/.exec(message);
  const [, came = "", field = "", type = ""] = found ?? [];
  if (found === null) return undefined;
  const expected = /^u?int\d*$/.test(type) ? "a whole number" : type.startsWith("[]") ? "a list" : goTypes[type];
  return `${field}: expected ${expected ?? type}, got ${came === "object" ? "a map" : came === "array" ? "a list" : `a ${came}`}`;
}

const goTypes: Readonly<Record<string, string>> = { string: "a string", bool: "true or false" };

function withLastApplied(object: KubeObject): KubeObject {
  const given = Object.entries(object.metadata?.annotations ?? {}).filter(([name]) => name !== lastAppliedAnnotation);
  const annotations = Object.fromEntries(given);
  const plain = { ...object, metadata: { ...object.metadata, annotations } };
  const lastApplied = { [lastAppliedAnnotation]: `${JSON.stringify(plain)}\n` };
  return { ...object, metadata: { ...object.metadata, annotations: { ...annotations, ...lastApplied } } };
}

function lastApplied(live: KubeObject): unknown {
  try {
    return JSON.parse(live.metadata?.annotations?.[lastAppliedAnnotation] ?? "{}");
  } catch {
    return {};
  }
}

/**
 * A strategic merge patch: all of `next`, and a deletion for each field and each list item (by name) that only `last` has.
 * Fields that neither mentions, as what the server or another tool has set, stay.
 */
export function threeWayPatch(last: unknown, next: unknown): unknown {
  if (isRecord(last) && isRecord(next)) {
    const patch: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(next))
      patch[key] = Object.hasOwn(last, key) ? threeWayPatch(last[key], value) : value;
    for (const key of Object.keys(last)) if (!Object.hasOwn(next, key)) patch[key] = null;
    return patch;
  }
  if (Array.isArray(last) && Array.isArray(next) && !isDeepStrictEqual(last, next)) return listPatch(last, next);
  return next;
}

/** Lists of named things (containers, volumes, env, …) are merged by name on the server; others are replaced whole. */
function listPatch(last: readonly unknown[], next: readonly unknown[]): unknown {
  const nameOf = (item: unknown): unknown => (isRecord(item) ? item["name"] : undefined);
  if (![...last, ...next].every((item) => typeof nameOf(item) === "string")) return next;
  const before = new Map(last.map((item) => [nameOf(item), item]));
  const names = new Set(next.map(nameOf));
  const removed = last.filter((item) => !names.has(nameOf(item)));
  return [
    ...next.map((item) => (before.has(nameOf(item)) ? threeWayPatch(before.get(nameOf(item)), item) : item)),
    ...removed.map((item) => ({ name: nameOf(item), $patch: "delete" })),
  ];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
