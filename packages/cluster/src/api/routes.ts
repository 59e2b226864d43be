// From a path to what it names. Pure; knows every route of the API, so that tests can walk them all.
import { type KindInfo, kinds } from "@wherry/kube/schema";

/** A resource's path: a collection, an object, or a subresource of an object. */
export interface ResourceRoute {
  readonly type: "resource";
  readonly kind: KindInfo;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

/** Any other path; `/healthz/ping` is `{ root: "healthz", rest: ["ping"] }`. */
export interface PlainRoute {
  readonly type: "plain";
  readonly root: PlainRoot;
  readonly rest: readonly string[];
}

export type Route = ResourceRoute | PlainRoute;

export const plainRoots = [
  "",
  "api",
  "apis",
  "openapi",
  "version",
  "healthz",
  "livez",
  "readyz",
  "metrics",
  ".well-known",
  "openid",
] as const;
type PlainRoot = (typeof plainRoots)[number];

const byGroupVersion = new Map<string, Map<string, KindInfo>>();
for (const kind of kinds) {
  const groupVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
  let plurals = byGroupVersion.get(groupVersion);
  if (plurals === undefined) {
    plurals = new Map<string, KindInfo>();
    byGroupVersion.set(groupVersion, plurals);
  }
  plurals.set(kind.plural, kind);
}

/** `v1`, `apps/v1`, … each with its kinds by plural name. */
export const groupVersions: ReadonlyMap<string, ReadonlyMap<string, KindInfo>> = byGroupVersion;

/** Undefined when nothing lives there: 404. */
export function parseRoute(path: readonly string[]): Route | undefined {
  const [root = "", ...rest] = path;
  if (root === "api" && rest.length > 1) return resourceRoute(rest[0] ?? "", rest.slice(1));
  if (root === "apis" && rest.length > 2) return resourceRoute(`${rest[0]}/${rest[1]}`, rest.slice(2));
  const known = plainRoots.find((plain) => plain === root);
  return known === undefined ? undefined : { type: "plain", root: known, rest };
}

function resourceRoute(groupVersion: string, path: readonly string[]): ResourceRoute | undefined {
  const plurals = byGroupVersion.get(groupVersion);
  if (plurals === undefined || path.includes("")) return undefined;
  const [first = "", second, third] = path;
  const own = plurals.get("namespaces");
  // `namespaces/x/finalize` is the Namespace's, `namespaces/x/pods` a collection in it.
  if (first === "namespaces" && third !== undefined && !(own?.subresources.includes(third) ?? false)) {
    const kind = plurals.get(third);
    if (kind?.namespaced !== true || second === undefined) return undefined;
    return withName(kind, path.slice(3), second);
  }
  const kind = plurals.get(first);
  if (kind === undefined) return undefined;
  // Without a namespace a namespaced kind has a collection (of all namespaces), and no objects.
  if (kind.namespaced && path.length > 1) return undefined;
  return withName(kind, path.slice(1));
}

function withName(kind: KindInfo, path: readonly string[], namespace?: string): ResourceRoute | undefined {
  const [name, subresource] = path;
  if (path.length > 2) return undefined;
  if (subresource !== undefined && !kind.subresources.includes(subresource)) return undefined;
  return {
    type: "resource",
    kind,
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
    ...(subresource !== undefined && { subresource }),
  };
}

/** What does here what a kind of Kubernetes that is not served does elsewhere. */
const instead: Readonly<Record<string, string>> = {
  jobs: ". What runs once is a Pod: kubectl run NAME --image=IMAGE --restart=Never -- COMMAND",
  cronjobs: ". What runs once is a Pod, with restartPolicy: Never; whoever has a clock creates it",
  statefulsets: ". What is served is a Deployment",
  daemonsets: ". What is served is a Deployment",
};

/** Of a path that names a resource as Kubernetes does, and leads nowhere: that it is not served, for whoever typed `kubectl create job`. */
export function whyUnknown(path: readonly string[]): string {
  const [root, group = "", version = ""] = path;
  const [groupVersion, rest] = root === "apis" ? [`${group}/${version}`, path.slice(3)] : [group, path.slice(2)];
  const plural = (rest[0] === "namespaces" ? rest[2] : rest[0]) ?? "";
  const isName = /^[a-z]{1,63}$/.test(plural) && /^([a-z0-9.-]{1,253}\/)?v\d[a-z0-9]{0,20}$/.test(groupVersion);
  if (!["api", "apis"].includes(root ?? "") || !isName || byGroupVersion.get(groupVersion)?.has(plural) === true)
    return "";
  const other = Object.hasOwn(instead, plural) ? instead[plural] : "";
  return `: this cluster serves no ${plural} of ${groupVersion}; "kubectl api-resources" lists what it does${other ?? ""}`;
}
