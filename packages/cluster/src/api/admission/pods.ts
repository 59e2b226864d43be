// What upstream's admission plugins fill in on each new pod: ServiceAccount, DefaultTolerationSeconds, Priority
// (k8s: plugin/pkg/admission). The token's files are brought by the node agent, so no volume is added.
import { forbidden, type Mutable, type Pod, type Toleration } from "@wherry/kube";
import { resources } from "@wherry/kube";
import type { AdmissionPlugin } from "./admission.ts";

const evictionSeconds = 300;
const nodeTaints = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

export const podDefaults: AdmissionPlugin = ({ operation, kind, namespace, next, subresource }, lookup) => {
  if (kind !== resources.pods || operation !== "CREATE" || subresource !== undefined) return;
  const { spec } = next as unknown as Mutable<Pod>;
  if (spec === undefined) return;
  const account = spec.serviceAccountName ?? spec.serviceAccount ?? "default";
  // `default` is made by a controller a moment after its namespace; a pod need not wait for it, its token will.
  if (account !== "default" && lookup.find("serviceaccounts", namespace, account) === undefined)
    throw forbidden(
      kind,
      next.metadata.name ?? "",
      `error looking up service account ${namespace ?? ""}/${account}: serviceaccount ${JSON.stringify(account)} not found`,
    );
  spec.serviceAccountName = account;
  spec.serviceAccount = account;
  spec.priority ??= 0;
  spec.preemptionPolicy ??= "PreemptLowerPriority";
  spec.tolerations = [...(spec.tolerations ?? []), ...missingTolerations(spec.tolerations ?? [])];
};

function missingTolerations(present: readonly Toleration[]): Mutable<Toleration>[] {
  return nodeTaints
    .filter((key) => !present.some((toleration) => tolerates(toleration, key)))
    .map((key) => ({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: evictionSeconds }));
}

function tolerates(toleration: Toleration, key: string): boolean {
  const keyMatches = (toleration.key ?? "") === "" || toleration.key === key;
  const effectMatches = (toleration.effect ?? "") === "" || toleration.effect === "NoExecute";
  return keyMatches && effectMatches;
}
