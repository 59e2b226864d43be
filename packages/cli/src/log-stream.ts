// Logs of many pods in one stream, as lines come: each container once a run (pod UID, container, restart), new pods and restarts picked up
// as they appear. Used by `up` and `logs --follow`; what is over is read by log-history.ts, in order.
import type { KeptLog } from "@wherry/cluster/state";
import type { ContainerStatus, Pod, Stored } from "@wherry/kube/types";
import type { ClusterAccess } from "./client.ts";
import { type LogQuery, logLines } from "./log-lines.ts";
import { LogPrinter, type Prefix } from "./log-printer.ts";
import type { Terminal } from "./terminal.ts";

export interface LogStreamOptions {
  readonly access: ClusterAccess;
  readonly terminal: Terminal;
  /** Lines of what was logged before; undefined: all of it. By pod, since old ones and new ones differ. */
  readonly tailLines: (pod: Stored<Pod>) => number | undefined;
  readonly signal: AbortSignal;
}

/** Whether there may be a log of it. */
export const hasRun = ({ state, lastState }: ContainerStatus): boolean =>
  state?.running !== undefined || state?.terminated !== undefined || lastState?.terminated !== undefined;

export class LogStream {
  readonly #options: LogStreamOptions;
  /** Runs that are being, or were, read. */
  readonly #seen = new Set<string>();
  readonly #printer: LogPrinter;
  readonly #reading = new Set<Promise<void>>();
  /** By pod and container: the run that is read, or was read last. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(options: LogStreamOptions) {
    this.#options = options;
    this.#printer = new LogPrinter(options.terminal);
  }

  /** Reads what the pod has run that was not read yet. Call it with every new state of the pod. */
  show(pod: Stored<Pod>): void {
    const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    for (const status of statuses) this.#showContainer(pod, status, statuses.length > 1);
  }

  /** All of a pod that is gone, run after run. @param linesOf one run of one container. Resolves when it is shown. */
  async showGone(
    { uid, name, goneAt, containers }: KeptLog,
    linesOf: (container: string, run: number) => AsyncIterable<string>,
  ): Promise<void> {
    const { signal } = this.#options;
    const several = containers.length > 1;
    for (const { name: container, runs } of containers) {
      const prefix = this.#printer.prefix(uid, several ? `${name}/${container}` : name);
      for (const run of runs) {
        if (run > 0) this.#printer.mark(`restart ${run}`, prefix);
        for await (const line of linesOf(container, run)) this.#printer.line(line, prefix);
        if (signal.aborted) return;
      }
      this.#printer.mark(`gone ${goneAt}`, prefix);
    }
  }

  #showContainer(pod: Stored<Pod>, status: ContainerStatus, oneOfSeveral: boolean): void {
    if (!hasRun(status)) return;
    const run = status.restartCount;
    const key = (number: number): string => `${pod.metadata.uid}/${status.name}/${number}`;
    if (this.#seen.has(key(run))) return;
    // The run before a restart that nobody has seen comes first; a log older than that is not kept.
    const before = run > 0 && !this.#seen.has(key(run - 1));
    this.#seen.add(key(run)).add(key(run - 1));
    const { name, namespace = "default" } = pod.metadata;
    const query = { namespace, pod: name, container: status.name, follow: true };
    const prefix = this.#printer.prefix(pod.metadata.uid, oneOfSeveral ? `${name}/${status.name}` : name);
    const tailLines = this.#options.tailLines(pod);
    const container = `${pod.metadata.uid}/${status.name}`;
    // One run of a container after the other: the end of one is read while the next one starts.
    const reading = (this.#last.get(container) ?? Promise.resolve())
      .then(() => this.#readRuns(run, before, query, tailLines, prefix))
      .finally(() => this.#reading.delete(reading));
    this.#last.set(container, reading);
    this.#reading.add(reading);
  }

  /** Resolves when everything that is being read has ended. */
  async ended(): Promise<void> {
    while (this.#reading.size > 0) await Promise.all(this.#reading);
  }

  async #readRuns(
    run: number,
    before: boolean,
    query: LogQuery,
    tailLines: number | undefined,
    prefix: Prefix,
  ): Promise<void> {
    if (before) {
      if (run > 1) this.#printer.mark(`restart ${run - 1}`, prefix);
      await this.#read({ ...query, previous: true, follow: false }, tailLines, prefix);
    }
    if (run > 0) this.#printer.mark(`restart ${run}`, prefix);
    await this.#read(query, tailLines, prefix);
  }

  async #read(query: LogQuery, tailLines: number | undefined, prefix: Prefix): Promise<void> {
    const { access, signal } = this.#options;
    try {
      const lines = logLines(access, tailLines === undefined ? query : { ...query, tailLines }, signal);
      for await (const line of lines) this.#printer.line(line, prefix);
    } catch (error) {
      if (!signal.aborted) this.#printer.problem(error, prefix);
    }
  }
}
