// What pods alone have: `/binding` (the scheduler's decision), `/log`; `/eviction` is in a file of its own.
import { badRequest, type Binding, conflict, methodNotAllowed, type Pod } from "@wherry/kube";
import { readObject } from "../body.ts";
import { type Call, nameOf, type Verb, writeOptions } from "../call.ts";
import { flag, integer } from "../query.ts";
import { timestamp } from "../registry/deletion.ts";
import { cloneDraft, type Draft, type StoredObject } from "../registry/objects.ts";
import { respondObject } from "../respond.ts";
import { bindPod } from "../strategies/pod.ts";
import type { ApiResponse, LogOptions } from "../types.ts";

const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };

export async function handleBinding(call: Call, verb: Verb): Promise<ApiResponse> {
  const { route, registry, request, warnings, parts } = call;
  if (verb !== "create") throw methodNotAllowed(route.kind, verb);
  const expected = { kind: "Binding", apiVersion: "v1", definition: "Binding" };
  const binding = readObject(request, expected, warnings) as Partial<Binding>;
  const { target } = binding;
  const node = target?.name ?? "";
  if (node === "" || (target?.kind !== undefined && target.kind !== "" && target.kind !== "Node"))
    throw badRequest(`target: expected the name of a Node, got ${JSON.stringify(target ?? null)}`);
  const name = nameOf(route);
  const change = (current: StoredObject): Draft => {
    const { metadata, spec } = current as Pod;
    const uid = binding.metadata?.uid ?? "";
    if (uid !== "" && uid !== metadata?.uid)
      throw conflict(
        route.kind,
        name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata?.uid ?? ""}`,
      );
    if (metadata?.deletionTimestamp !== undefined)
      throw conflict(route.kind, name, `pod ${name} is being deleted, cannot be assigned to a host`);
    if ((spec?.nodeName ?? "") !== "")
      throw conflict(route.kind, name, `pod ${name} is already assigned to node ${JSON.stringify(spec?.nodeName)}`);
    const next = cloneDraft(current);
    bindPod(next, node, timestamp(parts.clock.now()));
    return next;
  };
  await registry.update(route.namespace, name, "binding", change, writeOptions(call, "UPDATE"));
  return respondObject(success, 201);
}

export async function handleLog(call: Call, verb: Verb): Promise<ApiResponse> {
  const { route, registry, request, parts } = call;
  if (verb !== "get") throw methodNotAllowed(route.kind, verb);
  const { object } = registry.get(route.namespace, nameOf(route));
  const container = containerOf(object as Pod, request.query.get("container") ?? "");
  const pod = { namespace: route.namespace ?? "", name: object.metadata.name, uid: object.metadata.uid };
  const stream = await parts.podLogs.read(pod, container, logOptions(request.query, request.signal));
  return { status: 200, body: { stream, contentType: "text/plain" } };
}

function logOptions(query: URLSearchParams, signal: AbortSignal): LogOptions {
  const number = (name: string): number | undefined => {
    const value = integer(query, name);
    if (value !== undefined && value < 0) throw badRequest(`${name}: expected a number ≥ 0, got ${value}`);
    return value;
  };
  const tailLines = number("tailLines");
  const limitBytes = number("limitBytes");
  const sinceSeconds = number("sinceSeconds");
  const sinceTime = query.get("sinceTime") ?? "";
  if (sinceTime !== "" && Number.isNaN(Date.parse(sinceTime)))
    throw badRequest(`sinceTime: expected an RFC 3339 time, got ${JSON.stringify(sinceTime.slice(0, 64))}`);
  return {
    follow: flag(query, "follow"),
    previous: flag(query, "previous"),
    timestamps: flag(query, "timestamps"),
    ...(tailLines !== undefined && { tailLines }),
    ...(limitBytes !== undefined && { limitBytes }),
    ...(sinceSeconds !== undefined && { sinceSeconds }),
    ...(sinceTime !== "" && { sinceTime }),
    signal,
  };
}

/** @throws StatusError 400 (k8s: registry/core/pod/strategy.go, LogLocation). */
function containerOf({ metadata, spec }: Pod, asked: string): string {
  const names = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map(({ name }) => name);
  const pod = metadata?.name ?? "";
  if (asked !== "") {
    if (names.includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${pod}`);
  }
  const main = (spec?.containers ?? []).map(({ name }) => name);
  const [only] = main;
  if (only !== undefined && names.length === 1) return only;
  const init = (spec?.initContainers ?? []).map(({ name }) => name);
  const also = init.length > 0 ? ` or one of the init containers: [${init.join(" ")}]` : "";
  throw badRequest(`a container name must be specified for pod ${pod}, choose one of: [${main.join(" ")}]${also}`);
}
