// What pods that run, and are not ready, are waited for: in words, from their probes and what became of these. Pure.
import type { Container, Pod, Probe, Stored } from "@wherry/kube/types";
import { cliLimits } from "../limits.ts";
import { isPodDone, isPodReady, troubles } from "./readiness.ts";

export interface Waiting {
  readonly pod: Stored<Pod>;
  /** Empty: none of its containers runs yet. */
  readonly container: string;
  /** After the pod's name: `runs, but nothing answers on port 8080 yet (…)`. */
  readonly text: string;
  /** Where nothing answers. */
  readonly port?: number;
  /** Its program ended; its log says why. */
  readonly crashed?: true;
}

/** What is known beside the pods themselves. */
export interface Observed {
  /** By the pod's UID, what its failed probe said last. */
  readonly said: ReadonlyMap<string, string>;
  /** The ports that are listened on at an address of this machine; undefined: nobody can tell. */
  readonly listening: (address: string) => readonly number[] | undefined;
}

/** One for each pod that is not ready yet, in the order of the pods. */
export function waitingOf(pods: readonly Stored<Pod>[], observed: Observed): Waiting[] {
  return pods
    .filter((pod) => pod.metadata.deletionTimestamp === undefined && !isPodReady(pod) && !isPodDone(pod))
    .map((pod) => ({ pod, ...waitingFor(pod, observed) }));
}

function waitingFor(pod: Stored<Pod>, { said, listening }: Observed): Omit<Waiting, "pod"> {
  const [trouble] = troubles([pod]);
  if (trouble !== undefined) {
    const { container, reason, message } = trouble;
    const crashed = ["CrashLoopBackOff", "Error"].includes(reason) ? ({ crashed: true } as const) : {};
    return { container, text: `is not running: ${reason}${message === "" ? "" : `: ${message}`}`, ...crashed };
  }
  const running = pod.status?.containerStatuses?.find(({ state, ready }) => state?.running !== undefined && !ready);
  const spec = pod.spec?.containers.find(({ name }) => name === running?.name);
  if (running === undefined || spec === undefined) return { container: "", text: "is not started yet" };
  const starts = spec.startupProbe !== undefined && running.started !== true;
  const probe = starts ? spec.startupProbe : spec.readinessProbe;
  if (probe === undefined) return { container: spec.name, text: "runs, and is not ready yet" };
  const last = said.get(pod.metadata.uid);
  const ports = listening(pod.status?.podIP ?? "");
  return { container: spec.name, ...probed({ spec, probe, kind: starts ? "startup" : "readiness", last, ports }) };
}

interface Probed {
  readonly spec: Container;
  readonly probe: Probe;
  readonly kind: "startup" | "readiness";
  /** What it said when it failed last. */
  readonly last: string | undefined;
  /** What the pod listens on. */
  readonly ports: readonly number[] | undefined;
}

function probed({ spec, probe, kind, last, ports }: Probed): Pick<Waiting, "text" | "port"> {
  const target = probe.tcpSocket ?? probe.httpGet;
  const port = target === undefined ? undefined : portOf(target.port, spec);
  const elsewhere = target?.host !== undefined && target.host !== "";
  // What listens by now is newer than what the probe said.
  const refused =
    ports === undefined || elsewhere ? last?.includes("connection refused") === true : !ports.includes(port ?? 0);
  if (port !== undefined && refused) {
    const others = ports === undefined || ports.length === 0 ? "" : `; it listens on ${ports.join(", ")}`;
    return {
      port,
      text: `runs, but nothing answers on port ${port} yet (its ${kind} probe: connection refused${others})`,
    };
  }
  const path = probe.httpGet === undefined ? "" : `GET ${probe.httpGet.path ?? "/"} on `;
  const where = port === undefined ? "" : ` (${path}port ${port})`;
  if (last !== undefined && !last.includes("connection refused"))
    return { text: `runs, but its ${kind} probe${where} fails: ${oneLine(last)}` };
  const delay = probe.initialDelaySeconds ?? 0;
  const begins = delay === 0 ? "" : `; it begins ${delay} s after the program`;
  return { text: `runs, and its ${kind} probe${where} has not succeeded yet${begins}` };
}

/** By number, or by its name in the container. */
function portOf(port: number | string, { ports }: Container): number | undefined {
  return typeof port === "number" ? port : ports?.find(({ name }) => name === port)?.containerPort;
}

function oneLine(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, " ");
  return line.length > cliLimits.probeCharsMax ? `${line.slice(0, cliLimits.probeCharsMax - 1)}…` : line;
}
