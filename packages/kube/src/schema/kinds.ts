// The kinds that the API serves, one row each. Discovery, routing, OpenAPI, validation and the typed `resources` of the
// client all come from this table (https://kubernetes.io/docs/reference/kubernetes-api/).
import type { Resource } from "../client/types.ts";
import type * as t from "../types/index.ts";
import type { KubeObject } from "../types/index.ts";

export interface KindInfo<T extends KubeObject = KubeObject> extends Resource<T> {
  readonly singular: string;
  readonly shortNames: readonly string[];
  /** `all` makes `kubectl get all` show it. */
  readonly categories: readonly string[];
  /** Key into `definitions`. */
  readonly definition: string;
  /** Served below the object, besides the object itself: `status`, `scale`, `log`, `binding`, … */
  readonly subresources: readonly string[];
  /** What of an object `PUT`/`PATCH` of the main resource must not change, and `/status` changes alone. */
  readonly hasStatus: boolean;
}

interface Row {
  readonly group?: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced?: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly subresources?: readonly string[];
}

function kind<T extends KubeObject>(row: Row): KindInfo<T> {
  const subresources = row.subresources ?? [];
  return {
    group: row.group ?? "",
    version: "v1",
    kind: row.kind,
    plural: row.plural,
    singular: row.kind.toLowerCase(),
    namespaced: row.namespaced ?? true,
    shortNames: row.shortNames ?? [],
    categories: row.categories ?? [],
    definition: row.kind,
    subresources,
    hasStatus: subresources.includes("status"),
  };
}

const all = ["all"];

export const resources: {
  readonly configmaps: KindInfo<t.ConfigMap>;
  readonly deployments: KindInfo<t.Deployment>;
  readonly endpoints: KindInfo<t.Endpoints>;
  readonly endpointslices: KindInfo<t.EndpointSlice>;
  readonly events: KindInfo<t.Event>;
  readonly namespaces: KindInfo<t.Namespace>;
  readonly nodes: KindInfo<t.Node>;
  readonly poddisruptionbudgets: KindInfo<t.PodDisruptionBudget>;
  readonly pods: KindInfo<t.Pod>;
  readonly replicasets: KindInfo<t.ReplicaSet>;
  readonly secrets: KindInfo<t.Secret>;
  readonly serviceaccounts: KindInfo<t.ServiceAccount>;
  readonly services: KindInfo<t.Service>;
} = {
  configmaps: kind<t.ConfigMap>({ kind: "ConfigMap", plural: "configmaps", shortNames: ["cm"] }),
  deployments: kind<t.Deployment>({
    group: "apps",
    kind: "Deployment",
    plural: "deployments",
    shortNames: ["deploy"],
    categories: all,
    subresources: ["status", "scale"],
  }),
  endpoints: kind<t.Endpoints>({ kind: "Endpoints", plural: "endpoints", shortNames: ["ep"] }),
  endpointslices: kind<t.EndpointSlice>({ group: "discovery.k8s.io", kind: "EndpointSlice", plural: "endpointslices" }),
  events: kind<t.Event>({ kind: "Event", plural: "events", shortNames: ["ev"] }),
  namespaces: kind<t.Namespace>({
    kind: "Namespace",
    plural: "namespaces",
    namespaced: false,
    shortNames: ["ns"],
    subresources: ["status", "finalize"],
  }),
  nodes: kind<t.Node>({
    kind: "Node",
    plural: "nodes",
    namespaced: false,
    shortNames: ["no"],
    subresources: ["status"],
  }),
  poddisruptionbudgets: kind<t.PodDisruptionBudget>({
    group: "policy",
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    shortNames: ["pdb"],
    subresources: ["status"],
  }),
  pods: kind<t.Pod>({
    kind: "Pod",
    plural: "pods",
    shortNames: ["po"],
    categories: all,
    subresources: ["status", "log", "binding", "eviction"],
  }),
  replicasets: kind<t.ReplicaSet>({
    group: "apps",
    kind: "ReplicaSet",
    plural: "replicasets",
    shortNames: ["rs"],
    categories: all,
    subresources: ["status", "scale"],
  }),
  secrets: kind<t.Secret>({ kind: "Secret", plural: "secrets" }),
  serviceaccounts: kind<t.ServiceAccount>({
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    shortNames: ["sa"],
    subresources: ["token"],
  }),
  services: kind<t.Service>({
    kind: "Service",
    plural: "services",
    shortNames: ["svc"],
    categories: all,
    subresources: ["status"],
  }),
};

/** Every row. */
export const kinds: readonly KindInfo[] = Object.values(resources);
