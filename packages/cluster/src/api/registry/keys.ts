// Where objects lie in the store: `/<group or core>/<plural>/[<namespace>/]<name>`. The version is not part of it.
import type { KindInfo } from "@wherry/kube/schema";

/** The prefix of a kind's keys, or of those in one namespace. */
export function prefixOf(kind: KindInfo, namespace?: string): string {
  const root = `/${kind.group === "" ? "core" : kind.group}/${kind.plural}/`;
  return namespace === undefined ? root : `${root}${namespace}/`;
}

export function keyOf(kind: KindInfo, namespace: string | undefined, name: string): string {
  return prefixOf(kind, namespace) + name;
}
