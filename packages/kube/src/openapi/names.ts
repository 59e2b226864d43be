// The names that Kubernetes gives its definitions in OpenAPI (`io.k8s.api.core.v1.PodSpec`), by a small table of packages.
// The definitions table has short names; where two packages have the same one, ours carries a prefix.
import { kinds } from "../schema/kinds.ts";

const meta = "io.k8s.apimachinery.pkg.apis.meta.v1";

const packages: { readonly [name: string]: readonly string[] } = {
  [meta]: [
    ...["Condition", "DeleteOptions", "LabelSelector", "LabelSelectorRequirement", "ListMeta", "ManagedFieldsEntry"],
    ...["ObjectMeta", "OwnerReference", "Preconditions", "ShardInfo", "Status", "StatusCause", "StatusDetails"],
  ],
  "io.k8s.api.apps.v1": [
    ...["Deployment", "DeploymentCondition", "DeploymentSpec", "DeploymentStatus", "DeploymentStrategy", "ReplicaSet"],
    ...["ReplicaSetCondition", "ReplicaSetSpec", "ReplicaSetStatus", "RollingUpdateDeployment"],
  ],
  "io.k8s.api.authentication.v1": [
    ...["AuthenticationTokenRequest", "BoundObjectReference", "TokenRequestSpec", "TokenRequestStatus"],
  ],
  "io.k8s.api.autoscaling.v1": ["Scale", "ScaleSpec", "ScaleStatus"],
  "io.k8s.api.discovery.v1": [
    ...[
      "DiscoveryEndpointPort",
      "Endpoint",
      "EndpointConditions",
      "EndpointHints",
      "EndpointSlice",
      "ForNode",
      "ForZone",
    ],
  ],
  "io.k8s.api.policy.v1": [
    ...["Eviction", "PodDisruptionBudget", "PodDisruptionBudgetSpec", "PodDisruptionBudgetStatus"],
  ],
};

const packageOf = new Map(Object.entries(packages).flatMap(([name, all]) => all.map((one) => [one, name] as const)));
const prefixes = /^(?:Discovery(?=EndpointPort)|Authentication(?=TokenRequest))/;

/** `PodSpec` → `io.k8s.api.core.v1.PodSpec`. */
export const schemaName = (definition: string): string =>
  `${packageOf.get(definition) ?? "io.k8s.api.core.v1"}.${definition.replace(prefixes, "")}`;

/** Definitions of scalars that have a name of their own. */
export const scalarNames: {
  readonly [name in "FieldsV1" | "IntOrString" | "MicroTime" | "Patch" | "Quantity" | "Time"]: string;
} = {
  FieldsV1: `${meta}.FieldsV1`,
  IntOrString: "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
  MicroTime: `${meta}.MicroTime`,
  Patch: `${meta}.Patch`,
  Quantity: "io.k8s.apimachinery.pkg.api.resource.Quantity",
  Time: `${meta}.Time`,
};

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const gvk = (group: string, kind: string): GroupVersionKind => ({ group, version: "v1", kind });

/** The kinds that a definition is: what `x-kubernetes-group-version-kind` says. */
export function kindsOf(definition: string): readonly GroupVersionKind[] {
  const row = kinds.find((one) => one.definition === definition);
  if (row !== undefined) return [{ group: row.group, version: row.version, kind: row.kind }];
  switch (definition) {
    case "Status":
    case "Binding":
      return [gvk("", definition)];
    case "DeleteOptions":
      return ["", "apps", "autoscaling", "discovery.k8s.io", "policy"].map((group) => gvk(group, definition));
    case "Scale":
      return [gvk("autoscaling", definition)];
    case "Eviction":
      return [gvk("policy", definition)];
    case "AuthenticationTokenRequest":
      return [gvk("authentication.k8s.io", "TokenRequest")];
    default:
      return [];
  }
}
