// What every namespace has, and how a namespace that is deleted gets on. Pure.
// Mirrors upstream pkg/controller/namespace/deletion and pkg/controller/{serviceaccount,certificates/rootcacertpublisher}.
import {
  type ConfigMap,
  deepEqual,
  type Namespace,
  type NamespaceCondition,
  type ServiceAccount,
  type Stored,
} from "@wherry/kube";
import { timestamp } from "../objects.ts";

export const rootCaName = "kube-root-ca.crt";
export const defaultServiceAccount = "default";

const rootCaDescription =
  "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal " +
  "service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/** The ConfigMap as it shall be; undefined when `present` is so already. */
export function planRootCa(
  namespace: string,
  rootCa: string,
  present: Stored<ConfigMap> | undefined,
): ConfigMap | undefined {
  const data = { "ca.crt": rootCa };
  if (present !== undefined && deepEqual(present.data, data)) return undefined;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    ...present,
    metadata: {
      ...present?.metadata,
      name: rootCaName,
      namespace,
      annotations: { ...present?.metadata.annotations, "kubernetes.io/description": rootCaDescription },
    },
    data,
  };
}

export function defaultAccountOf(namespace: string): ServiceAccount {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: defaultServiceAccount, namespace } };
}

/** What a namespace still holds. */
export interface Content {
  /** `pods.`, `deployments.apps`: as upstream's messages name them. */
  readonly resource: string;
  readonly count: number;
  /** How many objects have each finalizer. */
  readonly finalizers: ReadonlyMap<string, number>;
}

/** The conditions of a namespace on its way out. */
export function terminatingConditions(
  namespace: Namespace,
  remaining: readonly Content[],
  failure: string | undefined,
  nowMs: number,
): readonly NamespaceCondition[] {
  const counts = remaining.map(({ resource, count }) => `${resource} has ${count} resource instances`).sort();
  const finalizers = new Map<string, number>();
  for (const content of remaining)
    for (const [finalizer, count] of content.finalizers)
      finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + count);
  const waiting = [...finalizers].map(([finalizer, count]) => `${finalizer} in ${count} resource instances`).sort();
  const wanted: readonly Omit<NamespaceCondition, "lastTransitionTime">[] = [
    condition("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    condition(
      "NamespaceDeletionGroupVersionParsingFailure",
      "ParsedGroupVersions",
      "All legacy kube types successfully parsed",
    ),
    failure === undefined
      ? condition(
          "NamespaceDeletionContentFailure",
          "ContentDeleted",
          "All content successfully deleted, may be waiting on finalization",
        )
      : condition("NamespaceDeletionContentFailure", "ContentDeletionFailed", failure, "True"),
    counts.length === 0
      ? condition("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed")
      : condition(
          "NamespaceContentRemaining",
          "SomeResourcesRemain",
          `Some resources are remaining: ${counts.join(", ")}`,
          "True",
        ),
    waiting.length === 0
      ? condition(
          "NamespaceFinalizersRemaining",
          "ContentHasNoFinalizers",
          "All content-preserving finalizers finished",
        )
      : condition(
          "NamespaceFinalizersRemaining",
          "SomeFinalizersRemain",
          `Some content in the namespace has finalizers remaining: ${waiting.join(", ")}`,
          "True",
        ),
  ];
  const now = timestamp(nowMs);
  return wanted.map((next) => {
    const present = namespace.status?.conditions?.find(({ type }) => type === next.type);
    const since = present?.status === next.status ? (present.lastTransitionTime ?? now) : now;
    return { ...next, lastTransitionTime: since };
  });
}

function condition(
  type: string,
  reason: string,
  message: string,
  status = "False",
): Omit<NamespaceCondition, "lastTransitionTime"> {
  return { type, status, reason, message };
}
