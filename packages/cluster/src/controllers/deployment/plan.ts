// One step of a Deployment: its ReplicaSets and the clock in, the writes that move it out. Pure and repeatable: the same
// world gives the same plan, and a plan of which only a part was carried out is completed by the next one.
// Mirrors upstream pkg/controller/deployment/{deployment_controller,sync,recreate}.go.
import {
  deepEqual,
  type Deployment,
  type DeploymentCondition,
  type DeploymentStatus,
  type Pod,
  type ReplicaSet,
  type Stored,
} from "@wherry/kube";
import { isDeleting } from "../objects.ts";
import { isTerminal } from "../pods.ts";
import { isRollingUpdate, progressDeadlineMs, replicasOf } from "./bounds.ts";
import { isScalingEvent, scaleProportionally } from "./proportional.ts";
import { findCurrent, newSet, revisionOf, syncAnnotations } from "./revision.ts";
import { currentReplicas, type Scale, stepRolling } from "./rolling.ts";
import { annotation, draftOf, isActiveSet, type SetDraft, setReplicasAnnotations, statusSum } from "./sets.ts";
import {
  conditionOf,
  countedStatus,
  isComplete,
  pauseConditions,
  progressCheckMs,
  rolloutStatus,
  setCondition,
  type StatusInput,
} from "./status.ts";

export interface DeploymentWorld {
  readonly deployment: Stored<Deployment>;
  /** The ReplicaSets that it controls. */
  readonly sets: readonly Stored<ReplicaSet>[];
  /** The pods that a set controls, ended and terminating ones too. */
  readonly podsOf: (set: Stored<ReplicaSet>) => readonly Pod[];
  readonly nowMs: number;
}

export type DeploymentAction =
  | { readonly type: "createSet"; readonly set: ReplicaSet; readonly event: string | undefined }
  | { readonly type: "updateSet"; readonly set: Stored<ReplicaSet>; readonly event: string | undefined }
  | { readonly type: "deleteSet"; readonly set: Stored<ReplicaSet> }
  /** The Deployment's own revision annotation. */
  | { readonly type: "setRevision"; readonly revision: string };

export interface DeploymentPlan {
  /** In the order in which they are to be carried out. */
  readonly actions: readonly DeploymentAction[];
  readonly status: DeploymentStatus;
  readonly statusChanged: boolean;
  /** When to look again although nothing changed. */
  readonly requeueAfterMs: number | undefined;
}

interface Draft {
  readonly world: DeploymentWorld;
  current: SetDraft | undefined;
  readonly old: readonly SetDraft[];
  conditions: readonly DeploymentCondition[];
  readonly doomed: Set<SetDraft>;
}

export function planDeployment(world: DeploymentWorld): DeploymentPlan {
  const { deployment, sets, nowMs } = world;
  const found = findCurrent(deployment, sets);
  const draft: Draft = {
    world,
    current: found === undefined ? undefined : draftOf(found),
    old: sets.filter((set) => set !== found).map((set) => draftOf(set)),
    conditions: deployment.status?.conditions ?? [],
    doomed: new Set(),
  };
  const status = isDeleting(deployment) ? countedStatus(inputOf(draft)) : step(draft);
  const statusChanged = !deepEqual(status, deployment.status ?? {});
  return {
    actions: isDeleting(deployment) ? [] : actionsOf(draft),
    status,
    statusChanged,
    requeueAfterMs: progressCheckMs(deployment, status, nowMs),
  };
}

function inputOf(draft: Draft): StatusInput {
  const { deployment, nowMs } = draft.world;
  return { deployment, current: draft.current, old: draft.old, conditions: draft.conditions, nowMs };
}

function step(draft: Draft): DeploymentStatus {
  const { deployment, nowMs } = draft.world;
  draft.conditions = pauseConditions(deployment, nowMs);
  const all = draft.current === undefined ? draft.old : [...draft.old, draft.current];
  const paused = deployment.spec?.paused === true;
  if (paused || isScalingEvent(deployment, all)) {
    adoptCurrent(draft);
    scaleProportionally(deployment, draft.current, draft.old, scaleOf(draft));
    if (!paused) cleanUp(draft);
    return countedStatus(inputOf(draft));
  }
  if (isRollingUpdate(deployment)) rollOut(draft);
  else recreate(draft);
  const status = rolloutStatus(inputOf(draft));
  if (isComplete(deployment, status)) cleanUp(draft);
  return status;
}

function rollOut(draft: Draft): void {
  const { deployment } = draft.world;
  const current = adoptCurrent(draft) ?? createCurrent(draft);
  stepRolling(deployment, current, draft.old, scaleOf(draft));
}

/** Everything old goes, entirely, before anything new comes. */
function recreate(draft: Draft): void {
  const { deployment } = draft.world;
  adoptCurrent(draft);
  const active = draft.old.filter(isActiveSet);
  for (const set of active) scaleOf(draft)(set, 0);
  if (active.length > 0 || oldPodsRun(draft)) return;
  const current = draft.current ?? createCurrent(draft);
  const replicas = replicasOf(deployment);
  if (current.replicas !== replicas) scaleOf(draft)(current, replicas);
}

/** Terminating pods still run. */
function oldPodsRun({ old, world }: Draft): boolean {
  if (statusSum(old, "replicas") > 0) return true;
  return old.some((set) => world.podsOf(set.origin as Stored<ReplicaSet>).some((pod) => !isTerminal(pod)));
}

/** Brings the current set's annotations in line, if there is one. */
function adoptCurrent(draft: Draft): SetDraft | undefined {
  const { deployment, nowMs } = draft.world;
  const { current } = draft;
  if (current === undefined) return undefined;
  syncAnnotations(current, draft.old, deployment);
  current.minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
  if (progressDeadlineMs(deployment) !== undefined && conditionOf(draft.conditions, "Progressing") === undefined)
    draft.conditions = setCondition(
      draft.conditions,
      {
        type: "Progressing",
        status: "True",
        reason: "FoundNewReplicaSet",
        message: `Found new replica set "${current.name}"`,
      },
      nowMs,
    );
  return current;
}

function createCurrent(draft: Draft): SetDraft {
  const { deployment, nowMs } = draft.world;
  const current = newSet(deployment);
  draft.current = current;
  current.replicas = currentReplicas(deployment, [...draft.old, current], current);
  syncAnnotations(current, draft.old, deployment);
  if (progressDeadlineMs(deployment) !== undefined)
    draft.conditions = setCondition(
      draft.conditions,
      {
        type: "Progressing",
        status: "True",
        reason: "NewReplicaSetCreated",
        message: `Created new replica set "${current.name}"`,
      },
      nowMs,
    );
  return current;
}

function scaleOf(draft: Draft): Scale {
  return (set, replicas) => {
    set.replicas = replicas;
    setReplicasAnnotations(set, draft.world.deployment);
  };
}

/** Old sets beyond the history limit go, the lowest revision first, once they are empty and say so. */
function cleanUp(draft: Draft): void {
  const limit = draft.world.deployment.spec?.revisionHistoryLimit ?? 10;
  const kept = draft.old.filter((set) => !isDeleting(set.origin));
  const surplus = [...kept].sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, kept.length - limit));
  for (const set of surplus) {
    const { status, metadata } = set.origin;
    const observed = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
    if (set.replicas === 0 && (status?.replicas ?? 0) === 0 && observed) draft.doomed.add(set);
  }
}

function actionsOf(draft: Draft): DeploymentAction[] {
  const { current, old, doomed, world } = draft;
  const actions: DeploymentAction[] = [];
  if (current?.isNew === true)
    actions.push({ type: "createSet", set: applied(current), event: scalingEvent(current, 0) });
  for (const set of current === undefined || current.isNew ? old : [current, ...old]) {
    if (doomed.has(set)) actions.push({ type: "deleteSet", set: set.origin as Stored<ReplicaSet> });
    else if (isChanged(set))
      actions.push({
        type: "updateSet",
        set: applied(set) as Stored<ReplicaSet>,
        event: scalingEvent(set, set.origin.spec?.replicas ?? 1),
      });
  }
  const revision = current?.annotations[annotation.revision];
  if (revision !== undefined && world.deployment.metadata.annotations?.[annotation.revision] !== revision)
    actions.push({ type: "setRevision", revision });
  return actions;
}

function isChanged(set: SetDraft): boolean {
  const { spec, metadata } = set.origin;
  return (
    set.replicas !== (spec?.replicas ?? 1) ||
    set.minReadySeconds !== (spec?.minReadySeconds ?? 0) ||
    !deepEqual(set.annotations, metadata?.annotations ?? {})
  );
}

function applied({ origin, annotations, replicas, minReadySeconds }: SetDraft): ReplicaSet {
  const minReady = minReadySeconds === 0 && origin.spec?.minReadySeconds === undefined ? {} : { minReadySeconds };
  return {
    ...origin,
    metadata: { ...origin.metadata, annotations },
    spec: { ...(origin.spec ?? { selector: {} }), replicas, ...minReady },
  };
}

function scalingEvent(set: SetDraft, before: number): string | undefined {
  if (set.replicas === before) return undefined;
  const direction = set.replicas > before ? "up" : "down";
  return `Scaled ${direction} replica set ${set.name} from ${before} to ${set.replicas}`;
}
