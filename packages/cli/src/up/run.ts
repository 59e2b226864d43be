// One `wherry up` against a daemon that listens: applies, waits, sums up, streams. Loaded with everything it needs after the
// daemon was spawned, so that the two start side by side.
import type { ChildProcess } from "node:child_process";
import { type ClusterPaths, type DaemonInfo, signalProcess } from "@wherry/cluster/state";
import type { Pod, Stored } from "@wherry/kube/types";
import type { ClusterApi } from "../client.ts";
import type { Context } from "../context.ts";
import { CliError, nameOption } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import type { Timings } from "../timings.ts";
import type { Applied } from "./apply.ts";
import type { Plan } from "./plan.ts";
import { controllerOf } from "./readiness.ts";
import { servicesOf } from "./service-file.ts";
import type { Targets } from "./targets.ts";
import type { View } from "./view.ts";
import type { WaitResult } from "./wait.ts";
import type { Waiting } from "./waiting.ts";

export interface RunOptions {
  readonly paths: ClusterPaths;
  readonly info: DaemonInfo;
  /** Absent: it ran before us, and goes on after us. */
  readonly child: ChildProcess | undefined;
  readonly plan: Plan;
  readonly timeoutMs: number;
  readonly detach: boolean;
  readonly timings: Timings;
  readonly context: Context;
}

export interface DaemonEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

export class Run {
  /** Never resolves for a daemon that is not ours. */
  readonly daemonEnded: Promise<DaemonEnd>;
  readonly #options: RunOptions;
  readonly #abort = new AbortController();
  readonly #startedAtMs: number;
  /** It came up, as far as it does: from now on a Ctrl-C is how it is meant to end. */
  isUp = false;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#startedAtMs = options.context.clock.now();
    const { child } = options;
    this.daemonEnded = new Promise((resolve) => {
      if (child === undefined) return;
      if (child.exitCode !== null || child.signalCode !== null)
        resolve({ code: child.exitCode, signal: child.signalCode });
      child.once("exit", (code, signal) => {
        resolve({ code, signal });
      });
      // It was unreferenced so that a detached `up` can end; while we wait for it, it keeps us alive.
      if (!options.detach) child.ref();
    });
  }

  get info(): DaemonInfo {
    return this.#options.info;
  }

  get ownsDaemon(): boolean {
    return this.#options.child !== undefined;
  }

  /** Asks the daemon to drain and end; asked again, it does so at once. */
  stop(): void {
    this.#options.child?.ref();
    signalProcess(this.#options.info, "SIGTERM");
  }

  stopStreaming(): void {
    this.#abort.abort();
  }

  /** Whether the daemon is gone, or goes within a moment. */
  async diedJustNow(): Promise<boolean> {
    if (!this.ownsDaemon) return false;
    const { clock } = this.#options.context;
    this.#options.child?.ref();
    return Promise.race([this.daemonEnded.then(() => true), clock.sleep(cliLimits.signalOnceMs).then(() => false)]);
  }

  /** @returns the exit code. @throws CliError when it can't be brought up; the caller stops a daemon of ours */
  async bringUp(): Promise<number> {
    const { context, plan, paths, info, detach } = this.#options;
    const { answerOf, connectApi, refuseClashes, applyObjects, takeBack, openView, Targets } = await loadParts();
    const api = connectApi(paths, info);
    if (!this.ownsDaemon) {
      const { resources } = await import("@wherry/kube");
      await answerOf({ paths, info }, context.clock, (signal) => api.client.list(resources.nodes, { signal }));
    }
    await refuseClashes(api.client, plan.files, paths.name);
    // One after the other: while the caches fill, the pods start already.
    const applied = await applyObjects(api.transport, plan.objects);
    this.#options.timings.mark("applied");
    const view = await openView(api.client, context, this.#abort.signal);
    const targets = new Targets(view, applied);
    for (const { kind, object, outcome } of applied)
      if (outcome !== "created") context.terminal.note(`${kind.kind.toLowerCase()}/${object.metadata.name} ${outcome}`);
    await this.#startAfresh(api, targets, applied);
    const { result, waiting } = await this.#wait(api, view, targets);
    this.#options.timings.mark("ready");
    this.isUp = true;
    if (result.outcome === "ready") {
      await this.#summarize(targets, applied, true);
      return detach ? 0 : this.#stream(api, view);
    }
    const { terminal } = context;
    const { explain } = await import("./explain.ts");
    const why = (await explain({ troubles: result.troubles, waiting }, api.access, this.#abort.signal))
      .map((line) => terminal.clean(line))
      .join("\n");
    if (result.final && applied.length > 0)
      throw new CliError(`not ready:\n${why}\n${await takeBack(api.transport, applied)}`);
    if (applied.length === 0) {
      // Nobody asked for these just now: the cluster is up, which is what was asked for.
      terminal.note(`${terminal.style("yellow", "note:")} not all of the cluster's pods are ready:\n${inShort(why)}`);
      await this.#summarize(targets, applied, false);
      return detach ? 0 : this.#stream(api, view);
    }
    const what = result.timedOut ? `not ready within ${this.#options.timeoutMs / 1000} s` : "not ready";
    terminal.note(`${terminal.style("red", "wherry:")} ${what}:\n${why}`);
    if (targets.olderServe) terminal.note("The pods of the version before go on serving.");
    terminal.note(`The cluster stays up. ${hints(paths.name, context)}`);
    const made = plan.files.flatMap((file) => [
      `deployment/${file.name}`,
      ...servicesOf(file).map((name) => `service/${name}`),
    ]);
    if (made.length > 0 && !targets.olderServe)
      terminal.note(`Remove it: wherry kubectl${nameOption(paths.name)} delete ${made.join(" ")}`);
    return detach ? 1 : this.#stream(api, view);
  }

  /** Until all is ready, or won't be; says meanwhile what it waits for. @returns also the pods that nothing but time was wrong with */
  async #wait(
    { client, access }: ClusterApi,
    view: View,
    targets: Targets,
  ): Promise<{ readonly result: WaitResult; readonly waiting: readonly Waiting[] }> {
    const { clock, terminal } = this.#options.context;
    const { listeningPorts, waitUntilReady, WaitingReport } = await loadParts();
    let last = "";
    const progress = (line: string): void => {
      last = line;
      terminal.progress(line);
    };
    const note = (line: string): void => {
      terminal.progress("");
      terminal.note(terminal.clean(line));
      terminal.progress(last);
    };
    const pods = (): readonly Stored<Pod>[] => targets.livePods;
    const { signal } = this.#abort;
    const why = async (waiting: Waiting): Promise<string | undefined> => {
      const { decidingLineOf } = await import("./explain.ts");
      return decidingLineOf(waiting, access, signal);
    };
    const report = new WaitingReport({ pods, client, listening: listeningPorts, why, clock, note, signal });
    const result = await waitUntilReady(view, targets, { timeoutMs: this.#options.timeoutMs, clock, progress });
    report.stop();
    progress("");
    if (result.outcome === "ready" || !result.timedOut) return { result, waiting: [] };
    const inTrouble = new Set(result.troubles.map(({ pod }) => pod.metadata.uid));
    return { result, waiting: (await report.look()).filter(({ pod }) => !inTrouble.has(pod.metadata.uid)) };
  }

  /**
   * Pods that crash again and again and that this `up` has not changed are replaced: what they lacked may be there by now, and
   * their back-off, up to five minutes, is longer than anyone waits.
   */
  async #startAfresh(api: ClusterApi, targets: Targets, applied: readonly Applied[]): Promise<void> {
    if (!applied.some(({ kind, outcome }) => kind.kind === "Deployment" && outcome === "unchanged")) return;
    const stuck = targets.troubles.filter(
      ({ pod, reason }) => reason === "CrashLoopBackOff" && controllerOf(pod) !== undefined,
    );
    const pods = stuck.map(({ pod }) => pod);
    targets.forget(pods);
    const { resources } = await import("@wherry/kube");
    await Promise.all(pods.map(({ metadata }) => api.client.delete(resources.pods, metadata).catch(() => undefined)));
  }

  async #summarize(targets: Targets, applied: readonly Applied[], ready: boolean): Promise<void> {
    const { context, plan, paths, detach } = this.#options;
    const { printSummary } = await import("./summary.ts");
    printSummary(
      {
        cluster: paths.name,
        pods: targets.livePods,
        services: targets.services,
        kubeconfig: paths.kubeconfig,
        calls: plan.services,
        applied: applied.length,
        others: targets.others,
        deployments: plan.files.map(({ name }) => name),
        elapsedMs: process.uptime() * 1000,
        detached: detach,
        ready,
      },
      context,
    );
    this.#options.timings.print(context);
  }

  /** Never resolves by itself: a signal or the daemon's end does. */
  async #stream(api: ClusterApi, view: View): Promise<never> {
    const { context } = this.#options;
    const { LogStream } = await import("../log-stream.ts");
    context.terminal.out("");
    const isOld = (pod: Stored<Pod>): boolean =>
      Date.parse(pod.metadata.creationTimestamp ?? "") < this.#startedAtMs - 60_000;
    const stream = new LogStream({
      access: api.access,
      terminal: context.terminal,
      tailLines: (pod) => (isOld(pod) ? cliLimits.oldLogLines : undefined),
      signal: this.#abort.signal,
    });
    const show = (): void => {
      for (const pod of view.pods.list()) stream.show(pod);
    };
    view.onChange(show);
    show();
    return new Promise(() => undefined);
  }
}

type Parts = typeof import("../client.ts") &
  typeof import("./apply.ts") &
  typeof import("./clash.ts") &
  typeof import("./listening.ts") &
  typeof import("./targets.ts") &
  typeof import("./view.ts") &
  typeof import("./wait.ts") &
  typeof import("./waiting-report.ts");
let parts: Promise<Parts> | undefined;

/** Everything that a run needs; called while the daemon starts, so that it is there when that listens. */
export function loadParts(): Promise<Parts> {
  parts ??= Promise.all([
    import("../client.ts"),
    import("./apply.ts"),
    import("./clash.ts"),
    import("./targets.ts"),
    import("./view.ts"),
    import("./wait.ts"),
    import("./listening.ts"),
    import("./waiting-report.ts"),
  ]).then((all) => Object.assign({}, ...all) as Parts);
  return parts;
}

/** Without the logs. */
const inShort = (why: string): string =>
  why
    .split("\n")
    .filter((line) => !/^ {4}|^ {2}its last log lines:/.test(line))
    .join("\n");

function hints(name: string, { self }: Context): string {
  const option = name === "default" ? "" : ` --name ${name}`;
  return `Look: "${self} status${option}", "${self} logs${option} POD". Stop: ${self} down${option}`;
}
