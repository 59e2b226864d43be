// What the API serves, as clients discover it: the old documents one by one, and the aggregated ones of KEP-3352.
// https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
import { createHash } from "node:crypto";
import { type KindInfo, kinds } from "@wherry/kube";
import { Documents } from "./documents.ts";
import { parseAccept } from "./negotiate.ts";
import { type ReviewKind, reviewKinds } from "./reviews.ts";
import { groupVersions } from "./routes.ts";
import { subresourceInfo } from "./subresources/info.ts";
import type { ApiResponse } from "./types.ts";

const verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const readOnlyVerbs = ["get", "patch", "update"];

const groupNames: readonly string[] = [...new Set([...kinds, ...reviewKinds].map(({ group }) => group))].sort();

function groupOf(name: string): object {
  const version = { groupVersion: `${name}/v1`, version: "v1" };
  return { name, versions: [version], preferredVersion: version };
}

function apiResources(groupVersion: string): object | undefined {
  const plurals = groupVersions.get(groupVersion);
  const reviews = reviewKinds.filter(({ group, version }) => `${group}/${version}` === groupVersion);
  if (plurals === undefined && reviews.length === 0) return undefined;
  const resources = [...(plurals?.values() ?? [])].flatMap((kind) => [resourceOf(kind), ...subresourcesOf(kind)]);
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion,
    resources: [...resources, ...reviews.map(reviewResourceOf)],
  };
}

const reviewResourceOf = ({ plural, kind }: ReviewKind): object => ({
  name: plural,
  singularName: kind.toLowerCase(),
  namespaced: false,
  kind,
  verbs: ["create"],
});

function resourceOf(kind: KindInfo): object {
  return {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs,
    ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
    ...(kind.categories.length > 0 && { categories: kind.categories }),
    storageVersionHash: hashOf(`${kind.group}/${kind.version}/${kind.kind}`).slice(0, 11),
  };
}

function subresourcesOf(kind: KindInfo): object[] {
  return kind.subresources.map((name) => {
    const { group, version, kind: itsKind, verbs: itsVerbs = readOnlyVerbs } = subresourceInfo(kind, name);
    const foreign = group !== kind.group || version !== kind.version;
    return {
      name: `${kind.plural}/${name}`,
      singularName: "",
      namespaced: kind.namespaced,
      ...(foreign && { group, version }),
      kind: itsKind,
      verbs: itsVerbs,
    };
  });
}

function aggregatedGroup(group: string): object {
  const own = kinds.filter((kind) => kind.group === group);
  const reviews = reviewKinds.filter((review) => review.group === group).map(aggregatedReview);
  return {
    metadata: group === "" ? { creationTimestamp: null } : { name: group, creationTimestamp: null },
    versions: [{ version: "v1", resources: [...own.map(aggregatedResource), ...reviews], freshness: "Current" }],
  };
}

const aggregatedReview = ({ group, version, plural, kind }: ReviewKind): object => ({
  resource: plural,
  responseKind: { group, version, kind },
  scope: "Cluster",
  singularResource: kind.toLowerCase(),
  verbs: ["create"],
});

function aggregatedResource(kind: KindInfo): object {
  return {
    resource: kind.plural,
    responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
    scope: kind.namespaced ? "Namespaced" : "Cluster",
    singularResource: kind.singular,
    verbs,
    ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
    ...(kind.categories.length > 0 && { categories: kind.categories }),
    ...(kind.subresources.length > 0 && {
      subresources: kind.subresources.map((subresource) => {
        const { group, version, kind: itsKind, verbs: itsVerbs = readOnlyVerbs } = subresourceInfo(kind, subresource);
        return { subresource, responseKind: { group, version, kind: itsKind }, verbs: itsVerbs };
      }),
    }),
  };
}

/** client-go decides by these parameters what it was sent. */
const aggregatedVersions = ["v2", "v2beta1"];

function aggregatedVersion(accept: string | undefined): string | undefined {
  for (const { type, params } of parseAccept(accept)) {
    if (type !== "application/json" && type !== "*/*" && type !== "application/*") continue;
    if (params["as"] === undefined) return undefined;
    const version = params["v"] ?? "";
    if (params["as"] !== "APIGroupDiscoveryList" || params["g"] !== "apidiscovery.k8s.io") continue;
    if (aggregatedVersions.includes(version)) return version;
  }
  return undefined;
}

const documents = new Documents((json) => hashOf(json).slice(0, 43));

const hashOf = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** `/api` and `/apis`. */
export function discoveryRoot(
  root: "api" | "apis",
  headers: Readonly<Record<string, string | undefined>>,
): ApiResponse {
  const version = aggregatedVersion(headers["accept"]);
  if (version === undefined) return { status: 200, headers: { vary: "Accept" }, body: { object: plainRoot(root) } };
  const groups = root === "api" ? [""] : groupNames.filter((group) => group !== "");
  const { json, etag } = documents.of(`${root} ${version}`, () => ({
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(aggregatedGroup),
  }));
  const contentType = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
  const common = { etag, vary: "Accept", "cache-control": "public" };
  if (headers["if-none-match"] === etag) return { status: 304, headers: common, body: { text: "", contentType } };
  return { status: 200, headers: common, body: { text: json, contentType } };
}

function plainRoot(root: "api" | "apis"): object {
  if (root === "apis")
    return { kind: "APIGroupList", apiVersion: "v1", groups: groupNames.filter((name) => name !== "").map(groupOf) };
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
}

/** `/api/v1`, `/apis/<group>`, `/apis/<group>/<version>`. Undefined: no such group or version. */
export function discoveryBelow(root: "api" | "apis", rest: readonly string[]): object | undefined {
  if (root === "api") return rest.length === 1 ? apiResources(rest[0] ?? "") : undefined;
  const [group = "", version] = rest;
  if (!groupNames.includes(group) || group === "" || rest.length > 2) return undefined;
  if (version !== undefined) return apiResources(`${group}/${version}`);
  return { kind: "APIGroup", apiVersion: "v1", ...groupOf(group) };
}
