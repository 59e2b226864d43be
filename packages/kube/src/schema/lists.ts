// Which lists are merged by key and which are replaced, per definition and field: the facts behind strategic merge patch,
// server-side apply and the x-kubernetes extensions of OpenAPI. A list that is not here is atomic. Source: the struct tags
// patchStrategy/patchMergeKey and the markers +listType/+listMapKey of k8s.io/api and k8s.io/apimachinery.

export interface ListRule {
  /** Strategic merge: items are joined by this field; absent with `merge` for primitives. */
  readonly mergeKey?: string;
  readonly merge: boolean;
  /** `$retainKeys` is understood: a one-of whose other members must go. */
  readonly retainKeys?: boolean;
  /** An object that a patch replaces as a whole. */
  readonly whole?: boolean;
  /** Server-side apply and OpenAPI. */
  readonly listType?: "map" | "set" | "atomic";
  readonly mapKeys?: readonly string[];
}

const by = (mergeKey: string, more: Partial<ListRule> = {}): ListRule => ({
  merge: true,
  mergeKey,
  listType: "map",
  mapKeys: [mergeKey],
  ...more,
});
const set: ListRule = { merge: true, listType: "set" };
const byName = by("name");
const byType = by("type");

const container: { readonly [field: string]: ListRule } = {
  env: byName,
  ports: by("containerPort", { mapKeys: ["containerPort", "protocol"] }),
  volumeDevices: by("devicePath"),
  volumeMounts: by("mountPath"),
};

export const listRules: { readonly [definition: string]: { readonly [field: string]: ListRule } } = {
  Container: container,
  ContainerStatus: { allocatedResourcesStatus: byName, volumeMounts: by("mountPath") },
  DeploymentSpec: { strategy: { merge: false, retainKeys: true } },
  DeploymentStatus: { conditions: byType },
  Endpoint: { addresses: { merge: false, listType: "set" } },
  EphemeralContainer: container,
  NamespaceStatus: { conditions: byType },
  NodeSpec: { podCIDRs: set },
  NodeStatus: { addresses: byType, conditions: byType },
  ObjectMeta: { finalizers: set, ownerReferences: by("uid") },
  PodDisruptionBudgetSpec: { selector: { merge: false, whole: true } },
  PodDisruptionBudgetStatus: { conditions: byType },
  PodSpec: {
    containers: byName,
    ephemeralContainers: byName,
    hostAliases: by("ip"),
    imagePullSecrets: byName,
    initContainers: byName,
    resourceClaims: by("name", { retainKeys: true }),
    schedulingGates: byName,
    topologySpreadConstraints: by("topologyKey", { mapKeys: ["topologyKey", "whenUnsatisfiable"] }),
    volumes: by("name", { retainKeys: true }),
  },
  PodStatus: {
    conditions: byType,
    hostIPs: by("ip", { listType: "atomic" }),
    podIPs: by("ip"),
    resourceClaimStatuses: by("name", { retainKeys: true }),
  },
  ReplicaSetStatus: { conditions: byType },
  ResourceRequirements: { claims: { merge: false, listType: "map", mapKeys: ["name"] } },
  ResourceStatus: { resources: { merge: false, listType: "map", mapKeys: ["resourceID"] } },
  ServiceAccount: { secrets: byName },
  ServiceSpec: { ports: by("port", { mapKeys: ["port", "protocol"] }) },
  ServiceStatus: { conditions: byType },
};

export const listRule = (definition: string | undefined, field: string): ListRule | undefined => {
  if (definition === undefined || !Object.hasOwn(listRules, definition)) return undefined;
  const rules = listRules[definition];
  return rules !== undefined && Object.hasOwn(rules, field) ? rules[field] : undefined;
};

/** Maps and structs that server-side apply owns as a whole (+mapType=atomic, +structType=atomic). */
export const atomicMaps: { readonly [definition: string]: readonly string[] } = {
  PodSpec: ["nodeSelector"],
  ServiceSpec: ["selector"],
};
export const atomicStructs: ReadonlySet<string> = new Set([
  "ConfigMapKeySelector",
  "FileKeySelector",
  "LabelSelector",
  "LocalObjectReference",
  "NodeSelector",
  "NodeSelectorTerm",
  "ObjectFieldSelector",
  "ObjectReference",
  "OwnerReference",
  "ResourceFieldSelector",
  "SecretKeySelector",
  "TypedLocalObjectReference",
]);
