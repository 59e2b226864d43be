// Logs of many pods up to now as one, by time: those that are there, with the run before a restart, and those that are gone. Follows
// nothing: log-stream.ts does.
import type { KeptLog } from "@wherry/cluster/state";
import type { ContainerStatus, Pod, Stored } from "@wherry/kube/types";
import type { ClusterAccess } from "./client.ts";
import { type LogQuery, logLines } from "./log-lines.ts";
import { LogPrinter, type Prefix } from "./log-printer.ts";
import { hasRun } from "./log-stream.ts";
import { mergeByTime, type Timed } from "./merge-by-time.ts";
import type { Terminal } from "./terminal.ts";

export interface HistoryOptions {
  readonly access: ClusterAccess;
  readonly terminal: Terminal;
  /** Of each run of a container; undefined: all of it. */
  readonly tailLines: number | undefined;
  /** Lines with their times of one run of a container that is gone. */
  readonly goneLines: (one: KeptLog, container: string, run: number) => AsyncIterable<string>;
  readonly signal: AbortSignal;
}

interface Entry extends Timed {
  readonly prefix: Prefix;
  readonly text: string;
  /** Happened between two lines. */
  readonly isMark: boolean;
}

/** Resolves when all is shown, or the signal aborts. */
export async function showHistory(
  gone: readonly KeptLog[],
  pods: readonly Stored<Pod>[],
  options: HistoryOptions,
): Promise<void> {
  const printer = new LogPrinter(options.terminal);
  const sequences = [
    ...gone.flatMap((one) => goneContainers(one, printer, options)),
    ...pods.flatMap((pod) => containers(pod, printer, options)),
  ];
  for await (const { prefix, text, isMark } of mergeByTime(sequences)) {
    if (options.signal.aborted) return;
    if (isMark) printer.mark(text, prefix);
    else printer.line(text, prefix);
  }
}

interface Run {
  readonly number: number;
  readonly lines: () => AsyncIterable<string>;
}

function goneContainers(one: KeptLog, printer: LogPrinter, { goneLines }: HistoryOptions): AsyncIterable<Entry>[] {
  const { uid, name, goneAt } = one;
  return one.containers.map(({ name: container, runs }) => {
    const prefix = printer.prefix(uid, one.containers.length > 1 ? `${name}/${container}` : name);
    const all = runs.map((number) => ({ number, lines: () => goneLines(one, container, number) }));
    return entries(all, prefix, printer, { time: goneAt, prefix, text: `gone ${goneAt}`, isMark: true });
  });
}

function containers(pod: Stored<Pod>, printer: LogPrinter, options: HistoryOptions): AsyncIterable<Entry>[] {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  return statuses.filter(hasRun).map((status) => {
    const { name } = pod.metadata;
    const prefix = printer.prefix(pod.metadata.uid, statuses.length > 1 ? `${name}/${status.name}` : name);
    return entries(runsOf(pod, status, options), prefix, printer);
  });
}

/** The one before a restart, too; a log older than that is not kept. */
function runsOf(pod: Stored<Pod>, status: ContainerStatus, { access, tailLines, signal }: HistoryOptions): Run[] {
  const { name, namespace = "default" } = pod.metadata;
  const { restartCount: number } = status;
  const query: LogQuery = {
    ...{ namespace, pod: name, container: status.name, timestamps: true },
    ...(tailLines === undefined ? {} : { tailLines }),
  };
  const current = { number, lines: () => logLines(access, query, signal) };
  if (number === 0) return [current];
  return [{ number: number - 1, lines: () => logLines(access, { ...query, previous: true }, signal) }, current];
}

/** One container's lines, run after run; a restart is told with the first line after it. @param last what comes behind them all */
async function* entries(
  runs: readonly Run[],
  prefix: Prefix,
  printer: LogPrinter,
  last?: Entry,
): AsyncGenerator<Entry> {
  for (const { number, lines } of runs) {
    let restart = number > 0 ? { prefix, text: `restart ${number}`, isMark: true } : undefined;
    try {
      for await (const line of lines()) {
        const entry = { prefix, isMark: false, ...timed(line) };
        if (restart !== undefined) yield { ...restart, time: entry.time };
        restart = undefined;
        yield entry;
      }
    } catch (error) {
      printer.problem(error, prefix);
    }
    if (restart !== undefined) yield { ...restart, time: undefined };
  }
  if (last !== undefined) yield last;
}

/** `2026-11-26T04:45:00.123000000Z listens on …`; the rest of a line that was cut has no time. */
function timed(line: string): { readonly time: string | undefined; readonly text: string } {
  const [whole = "", time] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) /.exec(line) ?? [];
  return { time, text: line.slice(whole.length) };
}
