// One pod on its node, from the moment it is bound until nothing of it is left. Level-triggered: whatever happens only wakes it,
// and each step looks at what is, starts or stops what that asks for, and writes the status if it has changed.
import { asError, type Logger } from "@wherry/core";
import type { Pod, Stored } from "@wherry/kube";
import { notHonoured } from "../environment/not-honoured.ts";
import type { Runtime } from "../runtime/types.ts";
import { type ContainerHost, ContainerRunner, graceMsOf } from "./container-runner.ts";
import type { PodContext } from "./context.ts";
import { decide } from "./decide.ts";
import { Ending, stopPod } from "./ending.ts";
import { Grace } from "./grace.ts";
import { type Prepared, PodSetup } from "./pod-setup.ts";
import { recordsOf } from "./record.ts";
import { podStatus, rfc3339 } from "./status.ts";
import { StatusWriter } from "./status-writer.ts";
import { Steps } from "./steps.ts";

/** How long a status that only says "being created" is held back: most containers run before it is over, and one write is enough. */
const startHoldMs = 150;
/** What a pod whose object is gone gets to end: it was deleted by force. */
const removedGraceMs = 1_000;

export class PodWorker implements ContainerHost {
  readonly context: PodContext;
  readonly runtime: Runtime;
  readonly runners: readonly ContainerRunner[];
  readonly #log: Logger;
  readonly #status: StatusWriter;
  readonly #setup: PodSetup;
  readonly #onGone: () => void;
  readonly #startTime: string;
  readonly #terminalAtFirst: boolean;
  readonly #steps: Steps;
  /** Let go of: no step, no write any more. */
  #detached = false;
  #stopGrace: Grace | undefined;
  #stopped: Promise<void> | undefined;
  #removed = false;
  #removing: Promise<void> | undefined;
  #ending: Ending | undefined;
  #failure: { readonly reason: string; readonly message: string } | undefined;
  #outcome: "Succeeded" | "Failed" | undefined;
  #holdUntilMs: number | undefined;

  constructor(context: PodContext, pod: Stored<Pod>, onGone: () => void) {
    this.context = context;
    this.runtime = context.runtimeFor(pod);
    this.#onGone = onGone;
    this.#log = context.log.child({ pod: `${pod.metadata.namespace ?? ""}/${pod.metadata.name}` });
    this.#steps = new Steps(context.clock, this.#log, () => this.#step());
    this.#status = new StatusWriter(context.client, pod);
    this.#startTime = pod.status?.startTime ?? rfc3339(context.clock.now());
    this.#terminalAtFirst = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
    this.#setup = new PodSetup(context, this.runtime, () => this.pod, this.#log);
    this.runners = recordsOf(pod).map((record) => new ContainerRunner(this, record));
  }

  get pod(): Stored<Pod> {
    return this.#status.pod;
  }

  /** Takes the pod as new. */
  start(): void {
    const ignored = this.runtime.name === "process" && !this.#terminalAtFirst ? notHonoured(this.pod) : [];
    if (ignored.length > 0)
      this.context.events.event(
        this.pod,
        "Warning",
        "FieldsNotHonoured",
        `the process runtime can't honour, or only approximates: ${ignored.join("; ")}`,
      );
    this.wake();
  }

  /**
   * Takes over what an earlier daemon left of the pod. Answers how many containers run. The stored status is true again when it
   * resolves: what died meanwhile is not ready there any more. Its next step comes with the next `wake`.
   */
  async adopt(podIP: string | undefined): Promise<number> {
    const address = podIP ?? this.pod.status?.podIP;
    if (address !== undefined && !this.#terminalAtFirst) this.#setup.takeAddress(address);
    // No step before that: it would start again what has ended, and hold the status back until that runs.
    await this.#steps.without(async () => {
      await Promise.all(
        this.runners.map(async (runner) => {
          const attempt = await this.#setup.newestAttempt(runner.record.name);
          if (attempt !== undefined) await runner.adopt(attempt);
        }),
      );
      if (this.#terminalAtFirst || this.#detached) return;
      await this.#writeStatus().catch((error: unknown) =>
        this.#log.warn(
          { err: asError(error) },
          "the status of an adopted pod could not be written, its next step does",
        ),
      );
    });
    return this.runners.filter((runner) => runner.record.state.phase === "running").length;
  }

  /** A newer version of the pod's object. */
  update(pod: Stored<Pod>): void {
    const before = this.pod.metadata;
    if (!this.#status.accept(pod)) return;
    const changed = before.labels !== pod.metadata.labels || before.annotations !== pod.metadata.annotations;
    if (changed && this.#setup.showsPod) void this.#setup.refresh();
    this.wake();
  }

  /** The object is gone. */
  removed(): void {
    this.#removed = true;
    this.wake();
  }

  /** Something the pod refers to may have changed: a ConfigMap, a Secret, an image. */
  refresh(kind?: "ConfigMap" | "Secret", name?: string): void {
    const waiting = this.runners.filter(({ record }) => record.state.phase === "waiting" && record.failures > 0);
    for (const { record } of waiting) record.notBeforeMs = 0;
    if (kind !== undefined && name !== undefined && this.#setup.shows(kind, name)) void this.#setup.refresh();
    if (waiting.length > 0) this.wake();
  }

  /** Stops every container gracefully and lets go of the pod, whose object stays: the cluster goes down. */
  stop(graceMsMax: number): Promise<void> {
    this.#stopGrace ??= new Grace(this.context.clock, graceMsOf(this.pod));
    this.#stopGrace.shortenTo(graceMsMax);
    this.#ending?.shortenTo(graceMsMax);
    this.#stopped ??= this.#stop(this.#stopGrace);
    return this.#stopped;
  }

  async #stop(grace: Grace): Promise<void> {
    this.#detached = true;
    this.#steps.stop();
    await stopPod(this.runners, grace);
    for (const runner of this.runners) runner.detach();
    // Under way: the log of a pod that is gone is being moved.
    await this.#removing?.catch(() => undefined);
  }

  /** Lets go of the pod; its containers run on. */
  detach(): void {
    this.#detached = true;
    this.#steps.stop();
    for (const runner of this.runners) runner.detach();
  }

  prepare(): Promise<Prepared> {
    return this.#setup.prepare();
  }

  wake(): void {
    this.#steps.wake();
  }

  /** Answers when to look again. */
  async #step(): Promise<number | undefined> {
    if (this.#detached) return undefined;
    if (this.#removed) {
      await this.#stepRemoved();
      return undefined;
    }
    const deleted = this.pod.metadata.deletionTimestamp !== undefined;
    if (this.#terminalAtFirst) {
      if (deleted) await this.#status.remove();
      return undefined;
    }
    const wakeAtMs = deleted || this.#failure !== undefined ? this.#stepEnding() : this.#stepRunning();
    const holdMs = this.#hold();
    if (holdMs !== undefined) return holdMs;
    if ((await this.#writeStatus()) === "gone") {
      this.removed();
      return undefined;
    }
    if (deleted && this.#outcome !== undefined && (this.#ending?.over ?? true)) await this.#status.remove();
    return wakeAtMs;
  }

  /** Starts and stops what the pod needs next. */
  #stepRunning(): number | undefined {
    if (this.#outcome !== undefined) return undefined;
    const nowMs = this.context.clock.now();
    const spec = this.pod.spec;
    if (spec === undefined) return undefined;
    const deadlineMs =
      spec.activeDeadlineSeconds === undefined
        ? Number.POSITIVE_INFINITY
        : Date.parse(this.#startTime) + spec.activeDeadlineSeconds * 1000;
    if (nowMs >= deadlineMs) {
      this.#failure = {
        reason: "DeadlineExceeded",
        message: "Pod was active on the node longer than the specified deadline",
      };
      return this.#stepEnding();
    }
    const decision = decide(
      spec,
      this.runners.map((runner) => runner.record),
      nowMs,
    );
    this.#setup.takeAddress();
    for (const record of decision.start) {
      this.#holdUntilMs ??= nowMs + startHoldMs;
      void this.#runnerOf(record.name)?.start();
    }
    for (const record of decision.stop) {
      void this.#runnerOf(record.name)?.stop(new Grace(this.context.clock, graceMsOf(this.pod)));
    }
    if (decision.outcome !== undefined) this.#finish(decision.outcome);
    this.#reportBackOff(nowMs);
    const nextMs = Math.min(decision.wakeAtMs ?? Number.POSITIVE_INFINITY, deadlineMs, this.#setup.refreshAtMs);
    if (this.#setup.refreshAtMs <= nowMs) void this.#setup.refresh().then(() => this.wake());
    return nextMs;
  }

  /** Deleted, or over its deadline: the termination sequence, once. */
  #stepEnding(): number | undefined {
    if (this.#ending === undefined) for (const runner of this.runners) runner.deletionBegan();
    const ending = this.#end(graceMsOf(this.pod));
    if (ending.over && this.#outcome === undefined) {
      const apps = this.runners.map((runner) => runner.record).filter((record) => record.kind === "app");
      const well = apps.every((record) => record.state.phase === "ended" && record.state.terminated.exitCode === 0);
      this.#finish(well && this.#failure === undefined ? "Succeeded" : "Failed");
    }
    return undefined;
  }

  async #stepRemoved(): Promise<void> {
    if (!this.#end(removedGraceMs).over) return;
    this.detach();
    this.#removing = this.#setup.remove();
    await this.#removing;
    this.#onGone();
  }

  /** Begins to end all containers, or shortens the grace of that. */
  #end(graceMs: number): Ending {
    this.#ending?.shortenTo(graceMs);
    this.#ending ??= new Ending(this.context.clock, this.runners, graceMs, () => this.wake());
    return this.#ending;
  }

  #finish(outcome: "Succeeded" | "Failed"): void {
    this.#outcome = outcome;
    this.#setup.releaseAddress();
  }

  /** While containers are being started for the first time: until when the status is not worth writing. */
  #hold(): number | undefined {
    if (this.#holdUntilMs === undefined) return undefined;
    const starting = this.runners.some((runner) => runner.record.busy && runner.record.state.phase === "waiting");
    if (starting && this.context.clock.now() < this.#holdUntilMs) return this.#holdUntilMs;
    this.#holdUntilMs = undefined;
    return undefined;
  }

  async #writeStatus(): Promise<"written" | "gone"> {
    return await this.#status.write((pod) =>
      podStatus({
        pod,
        records: this.runners.map((runner) => runner.record),
        podIP: this.#setup.podIP,
        hostIP: this.context.node.ip,
        startTime: this.#startTime,
        nowMs: this.context.clock.now(),
        outcome: this.#outcome,
        ...(this.#failure === undefined ? {} : { failure: this.#failure }),
      }),
    );
  }

  #reportBackOff(nowMs: number): void {
    for (const { record } of this.runners) {
      if (record.state.phase !== "ended" || record.notBeforeMs <= nowMs || record.reportedAttempt === record.attempt)
        continue;
      record.reportedAttempt = record.attempt;
      this.context.events.event(
        this.pod,
        "Warning",
        "BackOff",
        `Back-off restarting failed container ${record.name} in pod ${this.pod.metadata.name}`,
      );
    }
  }

  #runnerOf(name: string): ContainerRunner | undefined {
    return this.runners.find((runner) => runner.record.name === name);
  }
}
