// Where a resource lives in the API's URL space (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris).
// Pure; segments are never percent-encoded here, a transport does that.
import { WherryError } from "@wherry/core";
import type { Resource } from "./types.ts";

/** Path segments of a collection. Without a namespace, that of all namespaces. */
export function collectionPath(resource: Resource, namespace: string | undefined): string[] {
  const root = resource.group === "" ? ["api", resource.version] : ["apis", resource.group, resource.version];
  if (resource.namespaced && namespace !== undefined) return [...root, "namespaces", namespace, resource.plural];
  return [...root, resource.plural];
}

/**
 * Path segments of one object, or of a subresource below it.
 * @throws WherryError `KUBE_CLIENT_TARGET`: a bug of the caller, the name or the namespace is missing.
 */
export function objectPath(
  resource: Resource,
  target: { readonly name: string | undefined; readonly namespace?: string | undefined },
  subresource?: string,
): string[] {
  const path = [...collectionPath(resource, namespaceOf(resource, target.namespace)), nameOf(resource, target.name)];
  if (subresource !== undefined) path.push(...subresource.split("/"));
  return path;
}

/**
 * The namespace that a write to one object needs; undefined for what has none.
 * @throws WherryError `KUBE_CLIENT_TARGET` when a namespaced object comes without one.
 */
export function namespaceOf(resource: Resource, namespace: string | undefined): string | undefined {
  if (!resource.namespaced) return undefined;
  if (namespace !== undefined && namespace !== "") return namespace;
  throw targetError(`expected a namespace for ${resource.plural}, got none: give one, as in { namespace: "default" }`);
}

function nameOf(resource: Resource, name: string | undefined): string {
  if (name !== undefined && name !== "") return name;
  throw targetError(`expected the name of one of ${resource.plural}, got none`);
}

function targetError(message: string): WherryError {
  return new WherryError(message, { code: "KUBE_CLIENT_TARGET" });
}
