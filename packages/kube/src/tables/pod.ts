// The row of a Pod: one word for a state that is spread over phase, conditions and container statuses. A rule of
// k8s.io/kubernetes pkg/printers/internalversion (printPod), which users and scripts know by heart.
import { age, timeOf } from "../time.ts";
import type { ContainerStateTerminated, ContainerStatus, Pod } from "../types/index.ts";
import { ageColumn, type Column, nameColumn, none, orNone, text, wide } from "./column.ts";

interface Summary {
  readonly ready: string;
  readonly status: string;
  readonly restarts: string;
}

const exitText = ({ signal = 0, exitCode }: ContainerStateTerminated): string =>
  signal === 0 ? `ExitCode:${exitCode}` : `Signal:${signal}`;
const filled = (word: string | undefined): word is string => word !== undefined && word !== "";

/** Restarts added up, with the time of the latest. */
class Restarts {
  #count = 0;
  #last: string | undefined;

  add({ restartCount, lastState }: ContainerStatus): void {
    this.#count += restartCount;
    const finished = lastState?.terminated?.finishedAt;
    if ((timeOf(finished) ?? 0) > (timeOf(this.#last) ?? 0)) this.#last = finished;
  }

  text(nowMs: number): string {
    if (this.#count === 0 || this.#last === undefined) return String(this.#count);
    return `${this.#count} (${age(this.#last, nowMs)} ago)`;
  }
}

interface InitState {
  /** What the pod waits for, while its init containers are not through. */
  readonly waitingFor: string | undefined;
  readonly readySidecars: number;
  readonly restarts: Restarts;
  /** Of sidecars alone: what counts once initialization is over. */
  readonly sidecarRestarts: Restarts;
}

function initReason({ state }: ContainerStatus, done: number, total: number): string {
  const { terminated, waiting } = state ?? {};
  if (terminated !== undefined) return `Init:${filled(terminated.reason) ? terminated.reason : exitText(terminated)}`;
  if (filled(waiting?.reason) && waiting.reason !== "PodInitializing") return `Init:${waiting.reason}`;
  return `Init:${done}/${total}`;
}

function initState(pod: Pod, sidecars: ReadonlySet<string>): InitState {
  const restarts = new Restarts();
  const sidecarRestarts = new Restarts();
  let readySidecars = 0;
  const total = pod.spec?.initContainers?.length ?? 0;
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const isSidecar = sidecars.has(status.name);
    restarts.add(status);
    if (isSidecar) sidecarRestarts.add(status);
    if (status.state?.terminated?.exitCode === 0) continue;
    if (isSidecar && status.started === true) {
      if (status.ready) readySidecars++;
      continue;
    }
    return { waitingFor: initReason(status, index, total), readySidecars, restarts, sidecarRestarts };
  }
  return { waitingFor: undefined, readySidecars, restarts, sidecarRestarts };
}

function containerReason({ state }: ContainerStatus): string | undefined {
  const { waiting, terminated } = state ?? {};
  if (filled(waiting?.reason)) return waiting.reason;
  if (terminated === undefined) return undefined;
  return filled(terminated.reason) ? terminated.reason : exitText(terminated);
}

const conditionIs = (pod: Pod, type: string, status: string): boolean =>
  (pod.status?.conditions ?? []).some((condition) => condition.type === type && condition.status === status);

function startReason(pod: Pod): string {
  const gated = (pod.status?.conditions ?? []).some(
    ({ type, reason }) => type === "PodScheduled" && reason === "SchedulingGated",
  );
  if (gated) return "SchedulingGated";
  return filled(pod.status?.reason) ? pod.status.reason : (pod.status?.phase ?? "");
}

export function podSummary(pod: Pod, nowMs: number): Summary {
  const { spec, status, metadata } = pod;
  const sidecars = new Set(
    (spec?.initContainers ?? []).flatMap((one) => (one.restartPolicy === "Always" ? [one.name] : [])),
  );
  const init = initState(pod, sidecars);
  let reason = init.waitingFor ?? startReason(pod);
  let { restarts } = init;
  let ready = init.readySidecars;
  if (init.waitingFor === undefined || conditionIs(pod, "Initialized", "True")) {
    restarts = init.sidecarRestarts;
    let anyRunning = false;
    for (const container of (status?.containerStatuses ?? []).toReversed()) {
      restarts.add(container);
      const why = containerReason(container);
      if (why !== undefined) reason = why;
      else if (container.ready && container.state?.running !== undefined) {
        anyRunning = true;
        ready++;
      }
    }
    if (reason === "Completed" && anyRunning) reason = conditionIs(pod, "Ready", "True") ? "Running" : "NotReady";
  }
  const isOver = status?.phase === "Succeeded" || status?.phase === "Failed";
  if (metadata?.deletionTimestamp !== undefined && status?.reason === "NodeLost") reason = "Unknown";
  else if (metadata?.deletionTimestamp !== undefined && !isOver) reason = "Terminating";
  return {
    ready: `${ready}/${(spec?.containers.length ?? 0) + sidecars.size}`,
    status: reason,
    restarts: restarts.text(nowMs),
  };
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return none;
  const passed = gates.filter(({ conditionType }) => conditionIs(pod, conditionType, "True"));
  return `${passed.length}/${gates.length}`;
}

export const podColumns: readonly Column<Pod>[] = [
  nameColumn,
  text("Ready", "Containers that are ready, of all that should run", (pod, nowMs) => podSummary(pod, nowMs).ready),
  text("Status", "What the pod does now, or what holds it up", (pod, nowMs) => podSummary(pod, nowMs).status),
  text(
    "Restarts",
    "How often containers were started again, and when last",
    (pod, nowMs) => podSummary(pod, nowMs).restarts,
  ),
  ageColumn,
  wide("IP", "The address of the pod", (pod) => orNone(pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP)),
  wide("Node", "The node that runs it", (pod) => orNone(pod.spec?.nodeName)),
  wide("Nominated Node", "The node on which room is being made for it", (pod) => orNone(pod.status?.nominatedNodeName)),
  wide("Readiness Gates", "Extra conditions that are met, of all it asks for", readinessGates),
];
