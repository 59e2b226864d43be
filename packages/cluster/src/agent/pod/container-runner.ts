// One container of one pod: starts its instances, watches them, probes them, stops them. It decides nothing about the pod: when to
// start and stop comes from the pod's worker, which it wakes when something has changed.
import { mkdir } from "node:fs/promises";
import { asError, type Logger } from "@wherry/core";
import type { LifecycleHandler, Pod, Stored } from "@wherry/kube";
import { rewritePaths } from "../environment/command.ts";
import { LogPump } from "../logs/log-pump.ts";
import type { ProbeResult, ProbeTarget } from "../probes/handlers.ts";
import { ContainerProbes } from "../probes/container-probes.ts";
import type { Container, ContainerState, Runtime } from "../runtime/types.ts";
import { restoreRecord } from "./adoption.ts";
import type { PodContext } from "./context.ts";
import { containerSpec, type Resolved, simulatedSpec } from "./container-spec.ts";
import { Grace } from "./grace.ts";
import { type ContainerRecord, recordEnd, recordRestart } from "./record.ts";
import { runHook } from "./hooks.ts";
import { type Prepared, pruneInstances } from "./pod-setup.ts";
import { recordStartFailure } from "./start-failure.ts";
import { containerID, rfc3339 } from "./status.ts";
import { stopContainer } from "./stop-container.ts";
import { terminationMessage } from "./termination-message.ts";

export interface ContainerHost {
  readonly context: PodContext;
  readonly runtime: Runtime;
  /** As last seen. */
  readonly pod: Stored<Pod>;
  /** The pod's address and volumes, once they are there. */
  prepare(): Promise<Prepared>;
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
    // A container has one instance at a time.
    if (this.#instance !== undefined || record.busy) return;
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
    const { uid } = pod.metadata;
    const folder = context.folders.instance(uid, record.name, attempt);
    const container = await runtime.adopt(`${uid}/${record.name}/${attempt}`, folder);
    restoreRecord(record, pod, attempt, container);
    if (container === undefined) return;
    let resolved: Promise<Resolved> | undefined;
    const resolve = async (): Promise<Resolved> => {
      resolved ??= this.#resolve(attempt);
      return await resolved.catch((error: unknown) => {
        resolved = undefined;
        throw error;
      });
    };
    await this.#attach({ container, resolved: resolve }, attempt);
    if (container.state.phase === "running") this.#probe(true);
  }

  /** The pod is being deleted: liveness and startup probes stop, readiness goes on. */
  deletionBegan(): void {
    this.#probes?.stopAllButReadiness();
  }

  /** TERM, then KILL at the end of the grace. Resolves when the instance has ended. */
  async stop(grace: Grace, event: string = `Stopping container ${this.record.name}`): Promise<void> {
    const instance = this.#instance;
    if (instance === undefined) return;
    if (this.#stopping !== undefined && !(await grace.covers(this.#stopping))) {
      // It is being stopped for another reason, with more grace than this one has.
      instance.container.killAll();
    }
    this.#stopping ??= this.#stop(instance, grace, event).finally(() => {
      this.#stopping = undefined;
    });
    await this.#stopping;
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
      await pruneInstances(context, this.#host.pod, this.record.name, attempt);
    }
    const container = await runtime.start(resolved.spec);
    const instance: Instance = { container, resolved: () => Promise.resolve(resolved) };
    await this.#attach(instance, attempt);
    if (real) this.#event("Normal", "Started", `Started container ${this.record.name}`);
    const hook = this.record.spec.lifecycle?.postStart;
    if (hook !== undefined && !(await this.#postStart(instance, hook))) {
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
    instance.recorded = instance.container.exited
      .then((state) => this.#ended(state, attempt))
      .catch((error: unknown) =>
        this.#log.error({ err: asError(error) }, "the end of a container could not be recorded"),
      );
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
        containerID: containerID(pod, record.name, attempt),
      },
      state.finishedAtMs - state.startedAtMs,
      state.finishedAtMs,
    );
    this.#instance = undefined;
    this.#host.wake();
  }

  #failed(error: Error): void {
    const { context, pod } = this.#host;
    const id = containerID(pod, this.record.name, this.record.attempt);
    const { message, expected } = recordStartFailure(this.record, error, context.clock.now(), id);
    if (message !== undefined) this.#event("Warning", "Failed", message);
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
        const graceMs = graceSeconds === undefined ? graceMsOf(pod) : graceSeconds * 1000;
        void this.stop(new Grace(context.clock, graceMs), reason).finally(() => {
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

  async #stop(instance: Instance, grace: Grace, event: string): Promise<void> {
    if (this.#host.runtime.name === "process") this.#event("Normal", "Killing", event);
    const { preStop, stopSignal } = this.record.spec.lifecycle ?? {};
    await stopContainer({
      container: instance.container,
      clock: this.#host.context.clock,
      grace,
      stopSignal: stopSignal as NodeJS.Signals | undefined,
      preStop: this.record.state.phase === "running" ? preStop : undefined,
      runHook: async (hook, timeoutMs, signal) => {
        const problem = await this.#hook(instance, hook, timeoutMs, signal);
        if (problem !== undefined) this.#event("Warning", "FailedPreStopHook", `PreStopHook failed: ${problem}`);
      },
      onStuck: () =>
        this.#log.error(
          { pod: this.#host.pod.metadata.name },
          "the container still runs long after SIGKILL: it hangs in the kernel",
        ),
    });
    await instance.recorded;
  }

  async #postStart(instance: Instance, hook: LifecycleHandler): Promise<boolean> {
    const over = new AbortController();
    void instance.container.exited.then(() => over.abort(new Error("the container has ended")));
    const problem = await this.#hook(instance, hook, graceMsOf(this.#host.pod), over.signal);
    if (problem === undefined) return true;
    this.#event("Warning", "FailedPostStartHook", `PostStartHook failed: ${problem}`);
    return false;
  }

  #hook(
    instance: Instance,
    hook: LifecycleHandler,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { context, runtime } = this.#host;
    const target = runtime.name === "simulated" ? undefined : () => this.#target(instance);
    return runHook(context, hook, target, timeoutMs, signal);
  }

  #event(type: "Normal" | "Warning", reason: string, message: string): void {
    const field = this.record.kind === "app" ? "containers" : "initContainers";
    this.#host.context.events.event(this.#host.pod, type, reason, message, {
      fieldPath: `spec.${field}{${this.record.name}}`,
    });
  }
}

/** How long a pod's containers get to end. */
export function graceMsOf(pod: Pod): number {
  return (pod.metadata?.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
}
