// Keys of objects: `namespace/name`, or `name` of what has no namespace.
import type { KubeObject } from "../types/index.ts";
import type { Key } from "./types.ts";

export function keyOf(object: KubeObject): Key {
  const { namespace, name = "" } = object.metadata ?? {};
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** `namespace` is undefined for what has none. */
export function splitKey(key: Key): { readonly namespace: string | undefined; readonly name: string } {
  const slash = key.indexOf("/");
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The key of the object that controls this one (`ownerReferences[].controller`), if it is of this kind. */
export function controllerKeyOf(object: KubeObject, kind: string): Key | undefined {
  const owner = object.metadata?.ownerReferences?.find((reference) => reference.controller === true);
  if (owner === undefined || owner.kind !== kind) return undefined;
  const namespace = object.metadata?.namespace;
  return namespace === undefined ? owner.name : `${namespace}/${owner.name}`;
}
