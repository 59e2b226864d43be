// One `wherry up` against a daemon that listens: applies, waits, sums up, streams. Loaded with everything it needs after the
// daemon was spawned, so that the two start side by side.
import type { ChildProcess } from "node:child_process";
import { type ClusterPaths, type DaemonInfo, signalProcess } from "@wherry/cluster/state";
import type { Pod, Stored } from "@wherry/kube/types";
import type { ClusterApi } from "../client.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import type { Timings } from "../timings.ts";
import type { Applied } from "./apply.ts";
import type { Plan } from "./plan.ts";
import type { Trouble } from "./readiness.ts";
import type { Targets, View } from "./wait.ts";

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
    const { connectApi, applyObjects, takeBack, openView, Targets, waitUntilReady } = await loadParts();
    const api = connectApi(paths, info);
    // One after the other: while the caches fill, the pods start already.
    const applied = await applyObjects(api.transport, plan.objects);
    this.#options.timings.mark("applied");
    const view = await openView(api.client, context, this.#abort.signal);
    const targets = new Targets(view, applied);
    const progress = (line: string): void => {
      context.terminal.progress(line);
    };
    const result = await waitUntilReady(view, targets, {
      timeoutMs: this.#options.timeoutMs,
      clock: context.clock,
      progress,
    });
    progress("");
    this.#options.timings.mark("ready");
    this.isUp = true;
    if (result.outcome === "ready") {
      await this.#summarize(applied, targets);
      return detach ? 0 : this.#stream(api, view);
    }
    const why = await explain(result.troubles, api, this.#abort.signal);
    if (result.final && applied.length > 0) {
      throw new CliError(`not ready:\n${why}\n${await takeBack(api.transport, applied)}`);
    }
    const what = result.timedOut ? `not ready within ${this.#options.timeoutMs / 1000} s` : "not ready";
    context.terminal.note(`${context.terminal.style("red", "wherry:")} ${what}:\n${context.terminal.clean(why)}`);
    context.terminal.note(`The cluster stays up. ${hints(paths.name, context)}`);
    return detach ? 1 : this.#stream(api, view);
  }

  async #summarize(applied: readonly Applied[], targets: Targets): Promise<void> {
    const { context, plan, paths, detach } = this.#options;
    const { printSummary } = await import("./summary.ts");
    printSummary(
      {
        cluster: paths.name,
        pods: targets.livePods,
        services: targets.services,
        kubeconfig: paths.kubeconfig,
        calls: plan.services,
        elapsedMs: process.uptime() * 1000,
        detached: detach,
      },
      context,
    );
    this.#options.timings.print(context);
    for (const { kind, object, outcome } of applied)
      if (outcome !== "created") context.terminal.note(`${kind.kind.toLowerCase()}/${object.metadata.name} ${outcome}`);
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
      follow: true,
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

type Parts = typeof import("../client.ts") & typeof import("./apply.ts") & typeof import("./wait.ts");
let parts: Promise<Parts> | undefined;

/** Everything that a run needs; called while the daemon starts, so that it is there when that listens. */
export function loadParts(): Promise<Parts> {
  parts ??= Promise.all([import("../client.ts"), import("./apply.ts"), import("./wait.ts")]).then(
    ([client, apply, wait]) => ({ ...client, ...apply, ...wait }),
  );
  return parts;
}

/** Each trouble with the end of its log. */
async function explain(found: readonly Trouble[], api: ClusterApi, signal: AbortSignal): Promise<string> {
  if (found.length === 0) return "  pods are still starting";
  const { logLines } = await import("../log-lines.ts");
  const seen = new Set<string>();
  const parts: string[] = [];
  for (const { pod, container, reason, message } of found) {
    // Replicas fail alike: one of them is enough.
    const alike = `${pod.metadata.ownerReferences?.[0]?.uid ?? pod.metadata.uid} ${container} ${reason}`;
    if (seen.has(alike)) continue;
    seen.add(alike);
    const { name, namespace = "default" } = pod.metadata;
    parts.push(`  pod ${namespace}/${name}: ${reason}: ${message}`);
    if (container === "" || reason.includes("Image")) continue;
    const lines: string[] = [];
    const query = { namespace, pod: name, container, tailLines: cliLimits.whyLogLines };
    for await (const line of logLines(api.access, query, signal)) lines.push(`    ${line}`);
    if (lines.length > 0) parts.push("  its last log lines:", ...lines);
  }
  return parts.join("\n");
}

function hints(name: string, { self }: Context): string {
  const option = name === "default" ? "" : ` --name ${name}`;
  return `Look: "${self} status${option}", "${self} logs${option} POD". Stop: ${self} down${option}`;
}
