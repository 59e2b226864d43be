// The verbs on objects and collections. Each handler gets a request that is authorized already.
import {
  badRequest,
  type DeleteOptions,
  methodNotAllowed,
  resources,
  type Stored,
  type KubeObject,
} from "@wherry/kube";
import { apiVersionOf, asObject, expectedOf, readBody, readObject } from "./body.ts";
import { type Call, nameOf, type Verb, writeOptions } from "./call.ts";
import { readPatch } from "./patch.ts";
import { includeObject, presentEvents, presentList, type ListMetadata } from "./present.ts";
import { flag, integer, isDryRun, listQuery } from "./query.ts";
import { parseRevision } from "./registry/list.ts";
import type { Draft, StoredObject } from "./registry/objects.ts";
import type { UpdateScope } from "./registry/update.ts";
import { presentationOf, respondItem, respondSuccess } from "./respond.ts";
import type { ApiResponse } from "./types.ts";
import type { ResourceRoute } from "./routes.ts";
import type { ApiRequest } from "./types.ts";

/** What a request wants done; undefined: the path has no such method. */
export function verbOf({ method, query }: ApiRequest, route: ResourceRoute): Verb | undefined {
  const one = route.name !== undefined;
  switch (method) {
    case "GET":
    case "HEAD":
      if (route.subresource === undefined && flag(query, "watch")) return "watch";
      return one ? "get" : "list";
    case "POST":
      if (one && route.subresource === undefined) return undefined;
      return canHold(route) ? "create" : undefined;
    case "PUT":
      return one ? "update" : undefined;
    case "PATCH":
      return one ? "patch" : undefined;
    case "DELETE":
      if (route.subresource !== undefined) return undefined;
      if (one) return "delete";
      return canHold(route) ? "deletecollection" : undefined;
    case "OPTIONS":
      return undefined;
  }
}

/** Collections over all namespaces can be read only. */
const canHold = ({ kind, namespace }: ResourceRoute): boolean => !kind.namespaced || namespace !== undefined;

export function handleObject(call: Call, verb: Verb): ApiResponse | Promise<ApiResponse> {
  if (call.route.kind === resources.endpoints)
    call.warnings.push("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
  switch (verb) {
    case "get":
      return get(call);
    case "list":
      return list(call);
    case "watch":
      return watch(call);
    case "create":
      return create(call);
    case "update":
      return update(call, "object");
    case "patch":
      return patch(call, "object");
    case "delete":
      return remove(call);
    case "deletecollection":
      return removeAll(call);
  }
}

/** `status` and `finalize`: views of the object that change a part of it. */
export function handlePart(call: Call, verb: Verb, scope: UpdateScope): ApiResponse | Promise<ApiResponse> {
  if (verb === "get" && scope === "status") return get(call);
  if (verb === "update") return update(call, scope);
  if (verb === "patch" && scope === "status") return patch(call, scope);
  throw methodNotAllowed(call.route.kind, verb);
}

function get(call: Call): ApiResponse {
  const { route, registry, request } = call;
  const atLeast = parseRevision(request.query.get("resourceVersion"));
  return respondItem(call, registry.get(route.namespace, nameOf(route), atLeast));
}

function list(call: Call): ApiResponse {
  const { route, registry, request } = call;
  const { kind } = route;
  const presentation = presentationOf(call);
  const result = registry.list(route.namespace, listQuery(kind, request.query));
  const metadata: ListMetadata = {
    resourceVersion: String(result.revision),
    ...(result.continue !== "" && { continue: result.continue }),
    ...(result.remaining !== undefined && { remainingItemCount: result.remaining }),
  };
  const head = { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind), metadata };
  if (presentation.as === "object" && request.inProcess !== true) {
    const items = result.entries.map((entry) => entry.value).join(",");
    return { status: 200, body: { json: `${JSON.stringify(head).slice(0, -1)},"items":[${items}]}` } };
  }
  const objects = result.entries.map((entry) => registry.item(entry).object);
  if (presentation.as === "object") return { status: 200, body: { object: { ...head, items: objects } } };
  const nowMs = call.parts.clock.now();
  const include = includeObject(request.query);
  return { status: 200, body: { object: presentList(objects, metadata, presentation, kind, include, nowMs) } };
}

function watch(call: Call): ApiResponse {
  const { route, registry, request, parts } = call;
  const { kind, name } = route;
  const presentation = presentationOf(call);
  const events = parts.watches.start(parts.feedOf(kind), {
    kind,
    prefix: registry.prefix(route.namespace),
    query: request.query,
    signal: request.signal,
    ...(name !== undefined && { name }),
  });
  if (presentation.as === "object") return { status: 200, body: { events } };
  const include = includeObject(request.query);
  const now = (): number => parts.clock.now();
  return { status: 200, body: { events: presentEvents(events, presentation, kind, include, now) } };
}

async function create(call: Call): Promise<ApiResponse> {
  const { route, registry, request, warnings } = call;
  const draft = readObject(request, expectedOf(route.kind), warnings);
  placeInNamespace(draft, route);
  const item = await registry.create(draft, writeOptions(call, "CREATE"));
  return respondItem(call, item, 201);
}

async function update(call: Call, scope: UpdateScope): Promise<ApiResponse> {
  const { route, registry, request, warnings } = call;
  const draft = readObject(request, expectedOf(route.kind), warnings);
  placeInNamespace(draft, route);
  checkName(draft, route);
  // Each attempt changes what it is given; only the first one is free to take the body itself.
  let first: Draft | undefined = draft;
  const change = (): Draft => {
    const own = first ?? readObject(request, expectedOf(route.kind), []);
    first = undefined;
    placeInNamespace(own, route);
    return own;
  };
  const item = await registry.update(route.namespace, nameOf(route), scope, change, writeOptions(call, "UPDATE"));
  return respondItem(call, item);
}

async function patch(call: Call, scope: UpdateScope): Promise<ApiResponse> {
  const { route, registry, request, warnings } = call;
  const patched = readPatch(request, route.kind, expectedOf(route.kind), warnings);
  const change = (current: StoredObject): Draft => {
    const next = patched(current);
    placeInNamespace(next, route);
    checkName(next, route);
    return next;
  };
  const item = await registry.update(route.namespace, nameOf(route), scope, change, writeOptions(call, "UPDATE"));
  return respondItem(call, item);
}

async function remove(call: Call): Promise<ApiResponse> {
  const { route, registry } = call;
  const options = deleteOptionsOf(call);
  const admitted = writeOptions(call, "DELETE", isDryRun(call.request.query, options.dryRun));
  const { item, gone } = await registry.delete(route.namespace, nameOf(route), options, admitted);
  if (gone && registry.strategy.answersDeleted !== true) return respondSuccess(call, item.object);
  return respondItem(call, item);
}

async function removeAll(call: Call): Promise<ApiResponse> {
  const { route, registry, request } = call;
  const options = deleteOptionsOf(call);
  const admitted = writeOptions(call, "DELETE", isDryRun(request.query, options.dryRun));
  const { entries, revision } = registry.list(route.namespace, listQuery(route.kind, request.query));
  const removed = await Promise.all(
    entries.map(async (entry): Promise<Stored<KubeObject> | undefined> => {
      const { metadata } = registry.item(entry).object;
      try {
        const { item } = await registry.delete(
          route.namespace,
          metadata.name,
          { ...options, preconditions: { uid: metadata.uid } },
          admitted,
        );
        return item.object;
      } catch (problem) {
        // Somebody else was faster: that is what was wanted.
        if ((problem as { httpStatus?: number }).httpStatus === 404) return undefined;
        throw problem;
      }
    }),
  );
  const { kind } = route;
  const items = removed.filter((object) => object !== undefined);
  const list = {
    kind: `${kind.kind}List`,
    apiVersion: apiVersionOf(kind),
    metadata: { resourceVersion: String(revision) },
    items,
  };
  return { status: 200, body: { object: list } };
}

/** From the body, and from the query for those that it does not set. @throws StatusError 400. */
function deleteOptionsOf(call: Call): DeleteOptions {
  const { request, warnings } = call;
  const received = readBody(request, "DeleteOptions");
  const expected = { kind: "DeleteOptions", apiVersion: "v1", definition: "DeleteOptions" };
  const body =
    received === undefined ? {} : (asObject(versionless(received), expected, "Ignore", warnings) as DeleteOptions);
  const { query } = request;
  const seconds = integer(query, "gracePeriodSeconds");
  const policy = query.get("propagationPolicy");
  const orphan = query.get("orphanDependents");
  const options: DeleteOptions = {
    ...(seconds !== undefined && { gracePeriodSeconds: seconds }),
    ...(policy !== null && policy !== "" && { propagationPolicy: policy }),
    ...(orphan !== null && { orphanDependents: flag(query, "orphanDependents") }),
    ...body,
  };
  const { propagationPolicy } = options;
  if (propagationPolicy !== undefined && !["Background", "Foreground", "Orphan"].includes(propagationPolicy))
    throw badRequest(
      `propagationPolicy: expected "Background", "Foreground" or "Orphan", got ${JSON.stringify(propagationPolicy.slice(0, 64))}`,
    );
  if (propagationPolicy !== undefined && options.orphanDependents !== undefined)
    throw badRequest("propagationPolicy and orphanDependents: expected one of them, got both");
  return options;
}

/** Old clients send DeleteOptions under the version of the group they talk to. */
function versionless<T extends { readonly value: unknown }>(received: T): T {
  const { value } = received;
  if (typeof value !== "object" || value === null || !("apiVersion" in value)) return received;
  return { ...received, value: { ...value, apiVersion: "v1" } };
}

/** @throws StatusError 400 when the object names another namespace than the path. */
function placeInNamespace(draft: Draft, { kind, namespace }: ResourceRoute): void {
  const { metadata } = draft;
  if (!kind.namespaced) {
    delete metadata.namespace;
    return;
  }
  const named = metadata.namespace ?? "";
  if (named !== "" && named !== namespace)
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  if (namespace !== undefined) metadata.namespace = namespace;
}

function checkName(draft: Draft, route: ResourceRoute): void {
  const name = draft.metadata.name ?? "";
  if (name === "") draft.metadata.name = nameOf(route);
  else if (name !== nameOf(route))
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${nameOf(route)})`);
}
