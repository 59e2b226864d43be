// A pod's status from what the agent knows. Pure: the same facts give the same status, so that nothing is written twice.
// Upstream rules: pkg/kubelet/kubelet_pods.go (phase), pkg/kubelet/status/generate.go (conditions).
import type { ContainerState, ContainerStatus, Pod, PodCondition, PodStatus } from "@wherry/kube";
import { isDone } from "./decide.ts";
import type { ContainerRecord } from "./record.ts";

export interface StatusFacts {
  /** As last seen: conditions of others are kept, and transition times. */
  readonly pod: Pod;
  readonly records: readonly ContainerRecord[];
  /** Undefined: no address yet. */
  readonly podIP: string | undefined;
  readonly hostIP: string;
  /** RFC 3339; when the agent took the pod. */
  readonly startTime: string;
  readonly nowMs: number;
  /** The pod is over: its containers have ended and none comes again. */
  readonly outcome: "Succeeded" | "Failed" | undefined;
  /** Why it failed, when it was the agent that ended it. */
  readonly failure?: { readonly reason: string; readonly message: string };
}

export function podStatus(facts: StatusFacts): PodStatus {
  const { pod, records, podIP, hostIP } = facts;
  const previous = pod.status ?? {};
  const phase = facts.outcome ?? phaseOf(facts);
  const of = (record: ContainerRecord): ContainerStatus => containerStatus(record, pod, facts.outcome !== undefined);
  const init = records.filter((record) => record.kind !== "app");
  return {
    ...previous,
    ...facts.failure,
    phase,
    conditions: conditionsOf(facts, phase),
    hostIP,
    hostIPs: [{ ip: hostIP }],
    ...(podIP === undefined ? {} : { podIP, podIPs: [{ ip: podIP }] }),
    startTime: facts.startTime,
    ...(init.length === 0 ? {} : { initContainerStatuses: init.map(of) }),
    containerStatuses: records.filter((record) => record.kind === "app").map(of),
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
}

function phaseOf({ pod, records }: StatusFacts): string {
  const terminal = pod.status?.phase;
  if (terminal === "Succeeded" || terminal === "Failed") return terminal;
  const apps = records.filter((record) => record.kind === "app");
  if (!initialized(records)) return "Pending";
  // Ended with a restart to come is Running; so is waiting for one.
  return apps.every((record) => record.attempt >= 0) ? "Running" : "Pending";
}

/** Plain init containers have succeeded, sidecars have started. Once the app containers began, this is history. */
function initialized(records: readonly ContainerRecord[]): boolean {
  return incomplete(records).length === 0;
}

function incomplete(records: readonly ContainerRecord[]): readonly string[] {
  if (records.some((record) => record.kind === "app" && record.attempt >= 0)) return [];
  return records
    .filter((record) => {
      if (record.kind === "app") return false;
      if (record.kind === "sidecar") return !record.started;
      return !(record.state.phase === "ended" && record.state.terminated.exitCode === 0);
    })
    .map((record) => record.name);
}

type Verdict = Pick<PodCondition, "status" | "reason" | "message">;

const own: readonly string[] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];

function conditionsOf(facts: StatusFacts, phase: string): readonly PodCondition[] {
  const { pod, records } = facts;
  const before = pod.status?.conditions ?? [];
  const containersReady = containersVerdict(records, phase);
  const verdicts: Readonly<Record<string, Verdict>> = {
    PodReadyToStartContainers: { status: facts.podIP !== undefined && facts.outcome === undefined ? "True" : "False" },
    Initialized: initializedVerdict(records, phase),
    Ready: readyVerdict(containersReady, pod),
    ContainersReady: containersReady,
  };
  const now = rfc3339(facts.nowMs);
  const conditions = own.map((type) => {
    const old = before.find((condition) => condition.type === type);
    const verdict = verdicts[type] ?? { status: "Unknown" };
    const lastTransitionTime = old?.status === verdict.status ? (old.lastTransitionTime ?? now) : now;
    return withGeneration({ type, ...verdict, lastTransitionTime }, pod);
  });
  const foreign = before.filter((condition) => !own.includes(condition.type));
  if (foreign.some((condition) => condition.type === "PodScheduled")) return [...conditions, ...foreign];
  return [
    ...conditions,
    withGeneration({ type: "PodScheduled", status: "True", lastTransitionTime: now }, pod),
    ...foreign,
  ];
}

function withGeneration(condition: PodCondition, pod: Pod): PodCondition {
  return pod.metadata?.generation === undefined
    ? condition
    : { ...condition, observedGeneration: pod.metadata.generation };
}

function initializedVerdict(records: readonly ContainerRecord[], phase: string): Verdict {
  if (phase === "Succeeded") return { status: "True", reason: "PodCompleted" };
  const missing = incomplete(records);
  if (missing.length === 0) return { status: "True" };
  return {
    status: "False",
    reason: "ContainersNotInitialized",
    message: `containers with incomplete status: [${missing.join(" ")}]`,
  };
}

function containersVerdict(records: readonly ContainerRecord[], phase: string): Verdict {
  if (phase === "Succeeded") return { status: "False", reason: "PodCompleted" };
  if (phase === "Failed") return { status: "False", reason: "PodFailed" };
  const unready = records.filter((record) => record.kind !== "init" && !record.ready).map((record) => record.name);
  if (unready.length === 0) return { status: "True" };
  return {
    status: "False",
    reason: "ContainersNotReady",
    message: `containers with unready status: [${unready.join(" ")}]`,
  };
}

function readyVerdict(containersReady: Verdict, pod: Pod): Verdict {
  if (containersReady.status !== "True") return containersReady;
  const conditions = pod.status?.conditions ?? [];
  const closed = (pod.spec?.readinessGates ?? [])
    .map((gate) => gate.conditionType)
    .filter((type) => conditions.find((condition) => condition.type === type)?.status !== "True");
  if (closed.length === 0) return { status: "True" };
  return {
    status: "False",
    reason: "ReadinessGatesNotReady",
    message: closed.map((type) => `the status of pod readiness gate "${type}" is not "True", but False`).join(", "),
  };
}

function containerStatus(record: ContainerRecord, pod: Pod, over: boolean): ContainerStatus {
  const image = record.spec.image ?? "";
  const began = record.attempt >= 0;
  const backOff = !over && inBackOff(record, pod);
  return {
    name: record.name,
    image,
    imageID: began ? `wherry://${image}` : "",
    ...(began ? { containerID: containerID(pod, record.name, record.attempt) } : {}),
    ready:
      record.kind === "init" ? record.state.phase === "ended" && record.state.terminated.exitCode === 0 : record.ready,
    started: record.started,
    restartCount: Math.max(0, record.attempt),
    state: stateOf(record, pod, backOff),
    lastState: lastOf(record, backOff),
  };
}

function stateOf(record: ContainerRecord, pod: Pod, backOff: boolean): ContainerState {
  const { state } = record;
  if (state.phase === "running") return { running: { startedAt: state.startedAt } };
  if (state.phase === "ended") {
    if (!backOff) return { terminated: state.terminated };
    const seconds = Math.round(record.restartDelayMs / 1000);
    const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
    return {
      waiting: {
        reason: "CrashLoopBackOff",
        message: `back-off ${seconds < 60 || seconds % 60 !== 0 ? goDuration(seconds) : `${seconds / 60}m0s`} restarting failed container=${record.name} pod=${name}_${namespace}(${uid})`,
      },
    };
  }
  const creating =
    (pod.spec?.initContainers ?? []).length > 0 && record.kind === "app" ? "PodInitializing" : "ContainerCreating";
  return {
    waiting: { reason: state.reason ?? creating, ...(state.message === undefined ? {} : { message: state.message }) },
  };
}

function goDuration(seconds: number): string {
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** It will come again, but not at once. */
function inBackOff(record: ContainerRecord, pod: Pod): boolean {
  if (record.state.phase !== "ended" || pod.metadata?.deletionTimestamp !== undefined) return false;
  if (record.kind === "init" && record.state.terminated.exitCode === 0) return false;
  return !isDone(record, pod.spec?.restartPolicy) && record.notBeforeMs > record.state.endedAtMs;
}

function lastOf(record: ContainerRecord, backOff: boolean): ContainerState {
  const terminated = record.state.phase === "ended" && backOff ? record.state.terminated : record.last;
  return terminated === undefined ? {} : { terminated };
}

/** What names one instance to clients; the same after the daemon was restarted. */
export function containerID(pod: Pod, container: string, attempt: number): string {
  return `wherry://${pod.metadata?.uid ?? ""}/${container}/${attempt}`;
}

/** Kubernetes' metav1.Time: whole seconds, UTC. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z");
}
