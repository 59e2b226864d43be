// May this pod run on that node? Each reason is worded as upstream words it, because people search for it
// (pkg/scheduler/framework/plugins). Pure.
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, Taint, Toleration } from "@wherry/kube";
import type { NodeState } from "./node-state.ts";
import type { PodRequests } from "./requests.ts";

/** Why not; empty when it may. */
export function refusals(pod: Pod, requests: PodRequests, state: NodeState): readonly string[] {
  const { node } = state;
  if (node === undefined) return ["node(s) are unknown"];
  const tolerations = pod.spec?.tolerations ?? [];
  if (node.spec?.unschedulable === true && !tolerates(tolerations, unschedulable))
    return ["node(s) were unschedulable"];
  const taint = (node.spec?.taints ?? []).find(
    (candidate) =>
      (candidate.effect === "NoSchedule" || candidate.effect === "NoExecute") && !tolerates(tolerations, candidate),
  );
  if (taint !== undefined) return [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`];
  if (!matchesAffinity(pod, node)) return ["node(s) didn't match Pod's node affinity/selector"];
  if (requests.hostPorts.some((port) => state.hasPort(port)))
    return ["node(s) didn't have free ports for the requested pod ports"];
  return shortages(requests, state);
}

const unschedulable: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

/** https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
export function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some(({ key = "", operator = "Equal", value = "", effect = "" }) => {
    if (effect !== "" && effect !== taint.effect) return false;
    if (key === "") return operator === "Exists";
    if (key !== taint.key) return false;
    return operator === "Exists" || value === (taint.value ?? "");
  });
}

const none: readonly string[] = [];

function shortages(requests: PodRequests, state: NodeState): readonly string[] {
  let reasons: string[] | undefined;
  for (const [name, amount] of requests.amounts) {
    if (amount === 0) continue;
    if (state.requested(name) + amount <= (state.allocatable.get(name) ?? 0)) continue;
    reasons ??= [];
    reasons.push(name === "pods" ? "Too many pods" : `Insufficient ${name}`);
  }
  return reasons ?? none;
}

/** nodeSelector and required node affinity: both must hold. */
function matchesAffinity(pod: Pod, node: Node): boolean {
  const labels = node.metadata?.labels ?? {};
  const selector = pod.spec?.nodeSelector ?? {};
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** All requirements of a term hold; a term without any matches nothing. */
export function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  const labels = node.metadata?.labels ?? {};
  return (
    matchExpressions.every((requirement) => meets(requirement, labels[requirement.key])) &&
    matchFields.every((requirement) =>
      meets(requirement, requirement.key === "metadata.name" ? node.metadata?.name : undefined),
    )
  );
}

function meets({ operator, values = [] }: NodeSelectorRequirement, actual: string | undefined): boolean {
  switch (operator) {
    case "In":
      return actual !== undefined && values.includes(actual);
    case "NotIn":
      return actual === undefined || !values.includes(actual);
    case "Exists":
      return actual !== undefined;
    case "DoesNotExist":
      return actual === undefined;
    case "Gt":
      return isWhole(actual) && isWhole(values[0]) && Number(actual) > Number(values[0]);
    case "Lt":
      return isWhole(actual) && isWhole(values[0]) && Number(actual) < Number(values[0]);
    default:
      return false;
  }
}

function isWhole(text: string | undefined): text is string {
  return text !== undefined && /^-?\d{1,15}$/.test(text);
}
