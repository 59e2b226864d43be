// `wherry logs`: all replicas and restarts of what was asked for, also those that are gone, as one log by time; with --follow those that
// are gone come first, and the others as their lines come.
import { type ClusterPaths, type KeptLog, loadKeptLogs } from "@wherry/cluster/state";
import { type Labels, resources } from "@wherry/kube";
import type { Pod, Stored } from "@wherry/kube/types";
import { answerOf, connectApi } from "../client.ts";
import type { Context } from "../context.ts";
import { requireDaemon } from "../daemon-process.ts";
import { CliError, usageError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import { linesOf } from "../log-lines.ts";
import { LogStream } from "../log-stream.ts";
import type { CommonOptions } from "../common-options.ts";
import { wholeNumber } from "../values.ts";
import type { KubeClient } from "@wherry/kube/client";
import { allPods, labelsChoice, namedChoice, type Present } from "./logs-target.ts";

export interface LogsOptions extends CommonOptions {
  readonly follow?: true;
  readonly selector?: string;
  readonly namespace: string;
  readonly tail?: string;
}

export async function logs(target: string | undefined, options: LogsOptions, context: Context): Promise<number> {
  if (target !== undefined && options.selector !== undefined)
    throw usageError("give a pod or deployment, or --selector, not both");
  const tail = options.tail === undefined ? undefined : wholeNumber("--tail", options.tail, 0, 1_000_000);
  const labels = options.selector === undefined ? allPods : labelsChoice(options.selector);
  const daemon = requireDaemon(options.name, context);
  const { paths, info } = daemon;
  const { access, client } = connectApi(paths, info);
  const { namespace } = options;
  const present = await answerOf(daemon, context.clock, (signal) => look(client, { namespace, signal }));
  const kept = await keptOf(namespace, paths);
  const choice =
    target === undefined
      ? labels
      : namedChoice(target, { namespace, ...present, gone: new Set(kept.map(({ name }) => name)) });
  const stop = new AbortController();
  process.once("SIGINT", () => {
    stop.abort();
  });
  const { name, selector } = choice;
  const isMeant = (one: string, labels: Labels): boolean =>
    name === undefined ? selector.matches(labels) : one === name;
  const matches = ({ metadata }: Stored<Pod>): boolean => isMeant(metadata.name, metadata.labels ?? {});
  const pods = present.pods.filter(matches);
  const there = new Set(pods.map(({ metadata }) => metadata.uid));
  // The last lines are of what runs.
  const gone = tail === undefined ? kept.filter((one) => isMeant(one.name, one.labels) && !there.has(one.uid)) : [];
  if (pods.length === 0 && gone.length === 0 && options.follow !== true)
    throw new CliError(
      `no pods ${target === undefined ? "" : `of ${target} `}in namespace "${namespace}": see "wherry status"`,
    );
  const { terminal } = context;
  const { signal } = stop;
  if (options.follow !== true) {
    const { showHistory } = await import("../log-history.ts");
    const { readKeptLog } = await loadKeptLogs();
    const goneLines = (one: KeptLog, container: string, run: number): AsyncIterable<string> =>
      linesOf(readKeptLog(paths.keptLogs, one, { container, run, timestamps: true, signal }));
    await showHistory(gone, pods, { access, terminal, tailLines: tail, goneLines, signal });
    return 0;
  }
  const stream = new LogStream({ access, terminal, tailLines: () => tail, signal });
  for (const one of gone) await showGone(one, stream, paths, signal);
  for (const pod of pods) stream.show(pod);
  await followPods(client, namespace, matches, stream, context, signal);
  await stream.ended();
  return 0;
}

type Looked = Pick<Present, "pods" | "deployments" | "services">;

async function look(
  client: KubeClient,
  options: { readonly namespace: string; readonly signal: AbortSignal },
): Promise<Looked> {
  const [pods, deployments, services] = await Promise.all([
    client.list(resources.pods, options),
    client.list(resources.deployments, options),
    client.list(resources.services, options),
  ]);
  return { pods: pods.items, deployments: deployments.items, services: services.items };
}

/** Logs of pods that are gone, oldest first. */
async function keptOf(namespace: string, { keptLogs: folder }: ClusterPaths): Promise<KeptLog[]> {
  const { keptLogs } = await loadKeptLogs();
  return (await keptLogs(folder)).filter((one) => one.namespace === namespace);
}

async function showGone(one: KeptLog, stream: LogStream, paths: ClusterPaths, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { readKeptLog } = await loadKeptLogs();
  await stream.showGone(one, (container, run) => linesOf(readKeptLog(paths.keptLogs, one, { container, run, signal })));
}

/** Shows each state of each pod until the signal; a watch that ends is begun again from a fresh list. */
async function followPods(
  client: KubeClient,
  namespace: string,
  matches: (pod: Stored<Pod>) => boolean,
  stream: LogStream,
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      const listed = await client.list(resources.pods, { namespace, signal });
      for (const pod of listed.items.filter(matches)) stream.show(pod);
      const resourceVersion = listed.metadata.resourceVersion ?? "";
      for await (const event of client.watch(resources.pods, { namespace, resourceVersion, signal }))
        if ((event.type === "ADDED" || event.type === "MODIFIED") && matches(event.object)) stream.show(event.object);
      if (signal.aborted) return;
    } catch (error) {
      if (signal.aborted) return;
      throw new CliError(`the cluster can't be reached any more: ${(error as Error).message}`);
    }
    // A server that ends each watch at once must not be asked in a tight loop.
    await context.clock.sleep(cliLimits.stopPollMs);
  }
}
