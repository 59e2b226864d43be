// Logs of many pods in one stream: each container once a run (pod UID, container, restart), new pods and restarts picked
// up as they come, a prefix in the pod's own colour. Used by `up` and `logs`.
import type { KeptLog } from "@wherry/cluster/state";
import type { ContainerStatus, Pod, Stored } from "@wherry/kube/types";
import type { ClusterAccess } from "./client.ts";
import { type LogQuery, logLines } from "./log-lines.ts";
import { readable } from "./log-record.ts";
import type { Terminal } from "./terminal.ts";

export interface LogStreamOptions {
  readonly access: ClusterAccess;
  readonly terminal: Terminal;
  readonly follow: boolean;
  /** Lines of what was logged before; undefined: all of it. By pod, since old ones and new ones differ. */
  readonly tailLines: (pod: Stored<Pod>) => number | undefined;
  readonly signal: AbortSignal;
}

export class LogStream {
  readonly #options: LogStreamOptions;
  /** Runs that are being, or were, read. */
  readonly #seen = new Set<string>();
  readonly #numbers = new Map<string, number>();
  readonly #reading = new Set<Promise<void>>();
  /** By pod and container: the run that is read, or was read last. */
  readonly #last = new Map<string, Promise<void>>();
  #prefixChars = 0;

  constructor(options: LogStreamOptions) {
    this.#options = options;
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
    const { terminal, signal } = this.#options;
    const several = containers.length > 1;
    for (const { name: container, runs } of containers) {
      const prefix = this.#prefix(uid, several ? `${name}/${container}` : name);
      for (const run of runs) {
        if (run > 0) terminal.out(prefix() + terminal.style("dim", `── restart ${run} ──`));
        for await (const line of linesOf(container, run)) this.#print(line, prefix);
        if (signal.aborted) return;
      }
      terminal.out(prefix() + terminal.style("dim", `── gone ${goneAt} ──`));
    }
  }

  #showContainer(pod: Stored<Pod>, status: ContainerStatus, oneOfSeveral: boolean): void {
    const { running, terminated } = status.state ?? {};
    if (running === undefined && terminated === undefined && status.lastState?.terminated === undefined) return;
    const run = status.restartCount;
    const key = (number: number): string => `${pod.metadata.uid}/${status.name}/${number}`;
    if (this.#seen.has(key(run))) return;
    // The run before a restart that nobody has seen comes first; a log older than that is not kept.
    const before = run > 0 && !this.#seen.has(key(run - 1));
    this.#seen.add(key(run)).add(key(run - 1));
    const { name, namespace = "default" } = pod.metadata;
    const query = { namespace, pod: name, container: status.name, follow: this.#options.follow };
    const prefix = this.#prefix(pod.metadata.uid, oneOfSeveral ? `${name}/${status.name}` : name);
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
    prefix: () => string,
  ): Promise<void> {
    const { terminal } = this.#options;
    if (before) {
      if (run > 1) terminal.out(prefix() + terminal.style("dim", `── restart ${run - 1} ──`));
      await this.#read({ ...query, previous: true, follow: false }, tailLines, prefix);
    }
    if (run > 0) terminal.out(prefix() + terminal.style("dim", `── restart ${run} ──`));
    await this.#read(query, tailLines, prefix);
  }

  async #read(query: LogQuery, tailLines: number | undefined, prefix: () => string): Promise<void> {
    const { access, terminal, signal } = this.#options;
    try {
      const lines = logLines(access, tailLines === undefined ? query : { ...query, tailLines }, signal);
      for await (const line of lines) this.#print(line, prefix);
    } catch (error) {
      if (!signal.aborted) terminal.note(`${prefix()}${terminal.clean(`(log: ${(error as Error).message})`)}`);
    }
  }

  #print(line: string, prefix: () => string): void {
    const { terminal } = this.#options;
    for (const shown of terminal.interactive ? readable(line, terminal) : [terminal.clean(line)])
      terminal.out(prefix() + shown);
  }

  #prefix(uid: string, text: string): () => string {
    const { terminal } = this.#options;
    const number = this.#numbers.get(uid) ?? this.#numbers.size;
    this.#numbers.set(uid, number);
    this.#prefixChars = Math.max(this.#prefixChars, text.length);
    return () => terminal.podStyle(number, `${text.padEnd(this.#prefixChars)} │ `);
  }
}
