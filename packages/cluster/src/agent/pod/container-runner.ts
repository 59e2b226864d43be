// One container of one pod: starts its instances, watches them, probes them, stops them. It decides nothing about the pod: when to
// start and stop comes from the pod's worker, which it wakes when something has changed.
import { mkdir, rm } from "node:fs/promises";
import { asError, assert, type Logger, WherryError } from "@wherry/core";
import type { LifecycleHandler, Pod, Stored } from "@wherry/kube";
import { rewritePaths } from "../environment/command.ts";
import {
  endedInstancesKept,
  killWaitMs,
  preStopExtensionMs,
  restartDelayFirstMs,
  retryFirstMs,
  retryMaxMs,
} from "../limits.ts";
import { LogPump } from "../logs/log-pump.ts";
import type { ProbeResult, ProbeTarget } from "../probes/handlers.ts";
import { ContainerProbes } from "../probes/container-probes.ts";
import type { Container, ContainerState, Runtime } from "../runtime/types.ts";
import type { PodVolumes } from "../volumes/volumes.ts";
import type { PodContext } from "./context.ts";
import { containerSpec, type Resolved, simulatedSpec } from "./container-spec.ts";
import { Grace } from "./grace.ts";
import { type ContainerRecord, recordEnd, recordRestart } from "./record.ts";
import { rfc3339 } from "./status.ts";
import { terminationMessage } from "./termination-message.ts";

export interface ContainerHost {
  readonly context: PodContext;
  readonly runtime: Runtime;
  /** As last seen. */
  readonly pod: Stored<Pod>;
  /** The pod's address and volumes, once they are there. */
  prepare(): Promise<{ readonly podIP: string; readonly volumes: PodVolumes }>;
  wake(): void;
}

interface Instance {
  readonly container: Container;
  /** Resolves when its end is in the record. */
  recorded?: Promise<void>;
  readonly resolved: () => Promise<Resolved>;
}

export class ContainerRunner {
  readonly record: ContainerRecord;
  readonly #host: ContainerHost;
  readonly #log: Logger;
  #instance: Instance | undefined;
  #pump: LogPump | undefined;
  #probes: ContainerProbes | undefined;
  #stopping: Promise<void> | undefined;
  #starting: Promise<void> | undefined;
  #detached = false;
  #forbidden = false;

  constructor(host: ContainerHost, record: ContainerRecord) {
    this.#host = host;
    this.record = record;
    this.#log = host.context.log.child({ container: record.name });
  }

  get alive(): boolean {
    return this.#instance !== undefined || this.record.busy;
  }

  /** The pump of the newest instance's log. */
  get pump(): LogPump | undefined {
    return this.#pump;
  }

  /** Starts the next instance. Never throws: a failure is in the record. */
  start(): Promise<void> {
    this.#starting = this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /** No instance is started any more. */
  forbidStart(): void {
    this.#forbidden = true;
  }

  /** Resolves when no start is under way: what is to be stopped must be there first. */
  async settled(): Promise<void> {
    await this.#starting;
  }

  async #start(): Promise<void> {
    const { record } = this;
    assert(this.#instance === undefined && !record.busy, "a container has one instance at a time");
    record.busy = true;
    const attempt = record.attempt + 1;
    try {
      const resolved = await this.#resolve(attempt);
      if (this.#detached || this.#forbidden) return;
      recordRestart(record);
      record.attempt = attempt;
      record.failures = 0;
      await this.#run(resolved, attempt);
    } catch (error) {
      this.#failed(asError(error));
    } finally {
      record.busy = false;
      this.#host.wake();
    }
  }

  /** Takes over what an earlier daemon started. */
  async adopt(attempt: number): Promise<void> {
    const { record } = this;
    const { runtime, pod, context } = this.#host;
    const uid = pod.metadata.uid;
    record.attempt = attempt;
    const container = await runtime.adopt(
      `${uid}/${record.name}/${attempt}`,
      context.folders.instance(uid, record.name, attempt),
    );
    const known = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
      (s) => s.name === record.name,
    );
    const same = known?.restartCount === attempt;
    record.last = same ? known.lastState?.terminated : (known?.state?.terminated ?? known?.lastState?.terminated);
    if (container === undefined) {
      // It was being started when the daemon died, and nothing of it is left: the next start is a new one.
      record.state = { phase: "waiting" };
      return;
    }
    record.restartDelayMs = Math.min(attempt === 0 ? 0 : restartDelayFirstMs * 2 ** Math.min(attempt - 1, 10), 300_000);
    const startedAt = (same ? known.state?.running?.startedAt : undefined) ?? rfc3339(container.state.startedAtMs);
    if (container.state.phase === "running") {
      record.state = { phase: "running", startedAt };
      record.started = same ? (known.started ?? false) : false;
      record.ready = same ? known.ready : false;
    }
    let resolved: Promise<Resolved> | undefined;
    await this.#attach({ container, resolved: () => (resolved ??= this.#resolve(attempt)) }, attempt);
    if (container.state.phase === "running") this.#probe(true);
  }

  /** The pod is being deleted: liveness and startup probes stop, readiness goes on. */
  deletionBegan(): void {
    this.#probes?.stopAllButReadiness();
  }

  /** TERM, then KILL at the end of the grace. Resolves when the instance has ended. */
  stop(grace: Grace, event: string | undefined = `Stopping container ${this.record.name}`): Promise<void> {
    const instance = this.#instance;
    if (instance === undefined) return Promise.resolve();
    this.#stopping ??= this.#stop(instance, grace, event).finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  /** Leaves the instance running and lets go of it. */
  detach(): void {
    this.#detached = true;
    this.#probes?.stop();
    this.#pump?.close();
  }

  async #resolve(attempt: number): Promise<Resolved> {
    const { context, pod, runtime } = this.#host;
    const { podIP, volumes } = await this.#host.prepare();
    if (runtime.name === "simulated") return simulatedSpec(pod, this.record.spec, attempt, podIP);
    return await containerSpec({ context, pod, container: this.record.spec, attempt, podIP, volumes });
  }

  async #run(resolved: Resolved, attempt: number): Promise<void> {
    const { runtime, context } = this.#host;
    const real = runtime.name === "process";
    if (real) {
      await mkdir(resolved.spec.folder, { recursive: true, mode: 0o700 });
      await this.#prune(attempt);
    }
    const container = await runtime.start(resolved.spec);
    const instance: Instance = { container, resolved: () => Promise.resolve(resolved) };
    await this.#attach(instance, attempt);
    if (real) this.#event("Normal", "Started", `Started container ${this.record.name}`);
    const hook = this.record.spec.lifecycle?.postStart;
    if (hook !== undefined && !(await this.#postStart(hook))) {
      container.killAll();
      await container.exited;
    }
    if (container.state.phase !== "running") {
      await instance.recorded;
      return;
    }
    this.record.state = { phase: "running", startedAt: rfc3339(container.state.startedAtMs || context.clock.now()) };
    this.#probe(false);
  }

  async #attach(instance: Instance, attempt: number): Promise<void> {
    this.#instance = instance;
    const { context, pod } = this.#host;
    if (instance.container.output !== undefined) {
      const folder = context.folders.instance(pod.metadata.uid, this.record.name, attempt);
      const file = context.folders.log(pod, this.record.name, attempt);
      this.#pump = new LogPump({ folder, file, clock: context.clock, log: this.#log });
      // Not awaited: a log that can't be written must not keep a container from running.
      const started = this.#pump
        .start()
        .catch((error: unknown) => this.#log.warn({ err: asError(error) }, "the container's log can't be written"));
      if (instance.container.state.phase === "exited") await started;
    }
    instance.recorded = instance.container.exited.then((state) => this.#ended(state, attempt));
    if (instance.container.state.phase === "exited") await instance.recorded;
  }

  async #ended(state: Extract<ContainerState, { phase: "exited" }>, attempt: number): Promise<void> {
    if (this.#detached) return;
    const { context, pod, runtime } = this.#host;
    const { record } = this;
    this.#probes?.stop();
    const folder = context.folders.instance(pod.metadata.uid, record.name, attempt);
    if (runtime.name === "process") await this.#pump?.end();
    const message =
      runtime.name === "process"
        ? await terminationMessage(record.spec, folder, context.folders.log(pod, record.name, attempt), state.exitCode)
        : "";
    recordEnd(
      record,
      {
        exitCode: state.exitCode,
        reason: state.known ? (state.exitCode === 0 ? "Completed" : "Error") : "ContainerStatusUnknown",
        ...(state.signal === undefined ? {} : { signal: state.signal }),
        ...(message === "" ? {} : { message }),
        startedAt: rfc3339(state.startedAtMs),
        finishedAt: rfc3339(state.finishedAtMs),
        containerID: `wherry://${pod.metadata.uid}/${record.name}/${attempt}`,
      },
      state.finishedAtMs - state.startedAtMs,
      state.finishedAtMs,
    );
    this.#instance = undefined;
    this.#host.wake();
  }

  /** A start that failed: the record says why, and when to try again. */
  #failed(error: Error): void {
    const { record } = this;
    const { context, pod } = this.#host;
    const nowMs = context.clock.now();
    const code = WherryError.is(error) ? error.code : "";
    if (code === "RUNTIME_START_FAILED") {
      const at = rfc3339(nowMs);
      const terminated = { exitCode: 128, reason: "StartError", message: error.message, startedAt: at, finishedAt: at };
      recordEnd(
        record,
        { ...terminated, containerID: `wherry://${pod.metadata.uid}/${record.name}/${record.attempt}` },
        0,
        nowMs,
      );
      this.#event("Warning", "Failed", `Error: ${error.message}`);
      return;
    }
    record.failures++;
    if (record.state.phase === "ended") record.last = record.state.terminated;
    const image = code === "AGENT_IMAGE_UNKNOWN";
    const expected = image || code === "AGENT_CONTAINER_CONFIG";
    const reason = image
      ? record.failures === 1
        ? "ErrImagePull"
        : "ImagePullBackOff"
      : expected
        ? "CreateContainerConfigError"
        : "CreateContainerError";
    record.state = { phase: "waiting", reason, message: error.message };
    // Looking an image up costs next to nothing, so a user who adds it need not wait for Kubernetes' five minutes.
    record.notBeforeMs =
      nowMs + (image ? restartDelayFirstMs : Math.min(retryFirstMs * 2 ** (record.failures - 1), retryMaxMs));
    if (record.failures === 1 || !expected)
      this.#event(
        "Warning",
        "Failed",
        image ? `Failed to pull image "${record.spec.image ?? ""}": ${error.message}` : `Error: ${error.message}`,
      );
    if (!expected) this.#log.warn({ err: error, pod: pod.metadata.name }, "a container could not be started");
  }

  #probe(adopted: boolean): void {
    const { context, pod, runtime } = this.#host;
    const instance = this.#instance;
    if (instance === undefined || instance.container.state.phase !== "running") return;
    this.#probes = new ContainerProbes({
      record: this.record,
      clock: context.clock,
      startedAtMs: instance.container.state.startedAtMs,
      adopted,
      run: async (action, timeoutMs): Promise<ProbeResult> => {
        if (runtime.name === "simulated") return { verdict: "success", output: "" };
        return await context.probe(action, await this.#target(instance), timeoutMs);
      },
      event: (type, reason, message) => this.#event(type, reason, message),
      changed: () => this.#host.wake(),
      kill: (reason, graceSeconds) => {
        this.record.busy = true;
        const seconds = graceSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
        void this.stop(new Grace(context.clock, seconds * 1000), reason).finally(() => {
          this.record.busy = false;
          this.#host.wake();
        });
      },
    });
    this.#probes.start();
    if (pod.metadata.deletionTimestamp !== undefined) this.deletionBegan();
  }

  async #target(instance: Instance): Promise<ProbeTarget> {
    const { spec, mounts } = await instance.resolved();
    return {
      container: this.record.spec,
      podIP: spec.podIP,
      exec: async (argv, timeoutMs) =>
        await this.#host.runtime.exec(
          spec,
          argv.map((text) => rewritePaths(text, mounts)),
          timeoutMs,
        ),
    };
  }

  async #stop(instance: Instance, grace: Grace, event: string | undefined): Promise<void> {
    const { container } = instance;
    if (event !== undefined && this.#host.runtime.name === "process") this.#event("Normal", "Killing", event);
    const { preStop, stopSignal } = this.record.spec.lifecycle ?? {};
    let extensionMs = 0;
    if (preStop !== undefined && grace.leftMs > 0 && this.record.state.phase === "running") {
      const hook = this.#hook(instance, preStop, grace.leftMs).then((output) => {
        if (output !== undefined) this.#event("Warning", "FailedPreStopHook", `PreStopHook failed: ${output}`);
      });
      await Promise.race([grace.covers(hook), container.exited]);
      if (grace.leftMs < preStopExtensionMs) extensionMs = preStopExtensionMs;
    }
    if (container.state.phase === "running" && (grace.leftMs > 0 || extensionMs > 0)) {
      container.signal((stopSignal as NodeJS.Signals | undefined) ?? "SIGTERM");
      await grace.covers(container.exited, extensionMs);
    }
    if (container.state.phase === "running") {
      container.killAll();
      const patience = new Grace(this.#host.context.clock, killWaitMs);
      if (!(await patience.covers(container.exited)))
        this.#log.error(
          { pod: this.#host.pod.metadata.name },
          `the container still runs ${killWaitMs} ms after SIGKILL: it hangs in the kernel`,
        );
    }
    await container.exited;
    await instance.recorded;
  }

  async #postStart(hook: LifecycleHandler): Promise<boolean> {
    const instance = this.#instance;
    if (instance === undefined) return true;
    const output = await this.#hook(instance, hook, (this.#host.pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000);
    if (output === undefined) return true;
    this.#event("Warning", "FailedPostStartHook", `PostStartHook failed: ${output}`);
    return false;
  }

  /** Undefined: it succeeded; else what it said. */
  async #hook(instance: Instance, hook: LifecycleHandler, timeoutMs: number): Promise<string | undefined> {
    const { context, runtime } = this.#host;
    if (hook.sleep !== undefined) {
      await context.clock.sleep(Math.min(hook.sleep.seconds * 1000, timeoutMs));
      return undefined;
    }
    if (runtime.name === "simulated") return undefined;
    const result = await context.probe(hook, await this.#target(instance), timeoutMs);
    return result.verdict === "success" || result.verdict === "warning" ? undefined : result.output;
  }

  /** Keeps the last ended instance, for its exit code and its log. */
  async #prune(attempt: number): Promise<void> {
    const old = attempt - endedInstancesKept - 1;
    if (old < 0) return;
    const { context, pod } = this.#host;
    const log = context.folders.log(pod, this.record.name, old);
    await Promise.all([
      rm(context.folders.instance(pod.metadata.uid, this.record.name, old), { recursive: true, force: true }),
      ...[log, `${log}.1`, `${log}.2`].map((file) => rm(file, { force: true })),
    ]);
  }

  #event(type: "Normal" | "Warning", reason: string, message: string): void {
    const field = this.record.kind === "app" ? "containers" : "initContainers";
    this.#host.context.events.event(this.#host.pod, type, reason, message, {
      fieldPath: `spec.${field}{${this.record.name}}`,
    });
  }
}
