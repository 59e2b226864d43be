// Which ReplicaSet is the Deployment's current one, and the revision numbers that `kubectl rollout history` and `undo` read.
// Mirrors upstream deployment_util.go (FindNewReplicaSet, SetNewReplicaSetAnnotations). Pure.
import {
  deepEqual,
  type Deployment,
  type PodTemplateSpec,
  type ReplicaSet,
  resources,
  type Stored,
  templateHash,
} from "@wherry/kube";
import { limits } from "../limits.ts";
import { byAge, ownerReferenceTo } from "../objects.ts";
import { annotation, draftOf, hashLabel, numberIn, type SetDraft, setReplicasAnnotations } from "./sets.ts";

/** Never copied from a Deployment to its sets. */
const ownAnnotations: ReadonlySet<string> = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  ...Object.values(annotation),
  "deprecated.deployment.rollback.to",
]);

/** The oldest set that has the Deployment's template: the oldest, so that it stays the same if several match. */
export function findCurrent(
  deployment: Deployment,
  sets: readonly Stored<ReplicaSet>[],
): Stored<ReplicaSet> | undefined {
  const template = deployment.spec?.template;
  return [...sets].sort(byAge).find((set) => sameTemplate(set.spec?.template, template));
}

/** Equal but for the hash label, which only a set's template carries. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return deepEqual(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  const labels = Object.fromEntries(
    Object.entries(template?.metadata?.labels ?? {}).filter(([label]) => label !== hashLabel),
  );
  return { ...template, metadata: { ...template?.metadata, labels } };
}

function hashOf(deployment: Deployment): string {
  return templateHash(deployment.spec?.template ?? {}, deployment.status?.collisionCount);
}

/** The set that the Deployment's template asks for, with no pods yet. */
export function newSet(deployment: Stored<Deployment>): SetDraft {
  const hash = hashOf(deployment);
  const spec = deployment.spec;
  const template = spec?.template ?? {};
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  const set: ReplicaSet = {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      ...(deployment.metadata.namespace === undefined ? {} : { namespace: deployment.metadata.namespace }),
      labels,
      ownerReferences: [ownerReferenceTo(resources.deployments, deployment)],
    },
    spec: {
      replicas: 0,
      ...(spec?.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
      selector: { ...spec?.selector, matchLabels: { ...spec?.selector.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
  return draftOf(set, true);
}

/** Brings the current set's annotations in line: the Deployment's own ones, and a revision above all old sets'. */
export function syncAnnotations(current: SetDraft, old: readonly SetDraft[], deployment: Deployment): void {
  for (const [key, value] of Object.entries(deployment.metadata?.annotations ?? {}))
    if (!ownAnnotations.has(key)) current.annotations[key] = value;
  const revision = Math.max(0, ...old.map((set) => revisionOf(set))) + 1;
  const previous = current.annotations[annotation.revision];
  if (revisionOf(current) < revision) {
    current.annotations[annotation.revision] = String(revision);
    if (previous !== undefined) recordPast(current, previous);
  }
  if (current.isNew) setReplicasAnnotations(current, deployment);
}

export function revisionOf(set: SetDraft): number {
  return numberIn(set, annotation.revision) ?? 0;
}

/** A set taken up again (`rollout undo`) remembers the revisions it had; the oldest are forgotten when it gets long. */
function recordPast(set: SetDraft, revision: string): void {
  const past = (set.annotations[annotation.revisionHistory] ?? "").split(",").filter((entry) => entry !== "");
  past.push(revision);
  while (past.join(",").length > limits.revisionHistoryCharactersMax) past.shift();
  set.annotations[annotation.revisionHistory] = past.join(",");
}
