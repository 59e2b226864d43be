// All probes of one container instance, and what their results mean for it: started, ready, to be killed.
import type { Clock } from "@wherry/core";
import type { Probe } from "@wherry/kube";
import type { ContainerRecord } from "../pod/record.ts";
import type { ProbeResult } from "./handlers.ts";
import { type ProbeType, ProbeWorker } from "./probe-worker.ts";

export interface ContainerProbesOptions {
  readonly record: ContainerRecord;
  readonly clock: Clock;
  readonly startedAtMs: number;
  /** An earlier daemon started it: what the record says of started and ready holds until a probe says otherwise. */
  readonly adopted: boolean;
  readonly run: (action: Probe, timeoutMs: number) => Promise<ProbeResult>;
  readonly event: (type: "Normal" | "Warning", reason: string, message: string) => void;
  /** `record.started` or `record.ready` has changed. */
  readonly changed: () => void;
  readonly kill: (reason: string, graceSeconds: number | undefined) => void;
}

const titles: Readonly<Record<ProbeType, string>> = {
  startup: "Startup",
  readiness: "Readiness",
  liveness: "Liveness",
};

export class ContainerProbes {
  readonly #options: ContainerProbesOptions;
  readonly #workers = new Map<ProbeType, ProbeWorker>();
  #stopped = false;
  #onlyReadiness = false;

  constructor(options: ContainerProbesOptions) {
    this.#options = options;
  }

  start(): void {
    const { record } = this.#options;
    if (record.kind === "init") {
      record.started = true;
      return;
    }
    const { startupProbe } = record.spec;
    if (startupProbe === undefined || record.started) this.#begin();
    else this.#add("startup", startupProbe, false);
  }

  stopAllButReadiness(): void {
    this.#onlyReadiness = true;
    this.#workers.get("liveness")?.stop();
    this.#workers.get("startup")?.stop();
    // A startup probe counts as passed once the pod is deleted.
    if (this.#workers.has("startup") && !this.#options.record.started && !this.#stopped) this.#begin();
  }

  stop(): void {
    this.#stopped = true;
    for (const worker of this.#workers.values()) worker.stop();
  }

  /** The program has started: readiness and liveness count from here. */
  #begin(): void {
    const { record, adopted, changed } = this.#options;
    const { readinessProbe, livenessProbe } = record.spec;
    record.started = true;
    if (readinessProbe === undefined) record.ready = true;
    else this.#add("readiness", readinessProbe, adopted && record.ready);
    if (livenessProbe !== undefined && !this.#onlyReadiness) this.#add("liveness", livenessProbe, true);
    changed();
  }

  #add(type: ProbeType, probe: Probe, initial: boolean): void {
    const { clock, startedAtMs, run, event } = this.#options;
    const say = (what: string, output: string): void =>
      event("Warning", what === "warning" ? "ProbeWarning" : "Unhealthy", `${titles[type]} probe ${what}: ${output}`);
    const worker = new ProbeWorker({
      type,
      probe,
      clock,
      initial,
      startedAtMs,
      run: (timeoutMs) => run(probe, timeoutMs),
      onFailure: (output) => say("failed", output),
      onWarning: (output) => say("warning", output),
      onResult: (success) => this.#result(type, probe, success),
    });
    this.#workers.set(type, worker);
    worker.start();
  }

  #result(type: ProbeType, probe: Probe, success: boolean): void {
    if (this.#stopped) return;
    const { record, kill, changed } = this.#options;
    if (type === "readiness") {
      record.ready = success;
      changed();
    } else if (!success) {
      this.stop();
      kill(`Container ${record.name} failed ${type} probe, will be restarted`, probe.terminationGracePeriodSeconds);
    } else if (type === "startup") this.#begin();
  }
}
