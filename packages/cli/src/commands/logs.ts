// `wherry logs`: all replicas and restarts of what was asked for, in one stream; those that are gone come first.
import { type ClusterPaths, type KeptLog, loadKeptLogs } from "@wherry/cluster/state";
import { parseLabelSelector, resources, StatusError } from "@wherry/kube";
import type { LabelSelector, Pod, Stored } from "@wherry/kube/types";
import { connectApi } from "../client.ts";
import type { Context } from "../context.ts";
import { requireDaemon } from "../daemon-process.ts";
import { CliError, usageError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import { linesOf } from "../log-lines.ts";
import { LogStream } from "../log-stream.ts";
import type { CommonOptions } from "../common-options.ts";
import { wholeNumber } from "../values.ts";
import type { KubeClient } from "@wherry/kube/client";

export interface LogsOptions extends CommonOptions {
  readonly follow?: true;
  readonly selector?: string;
  readonly namespace: string;
  readonly tail?: string;
}

/** Which pods: one by name, or all that a selector matches. */
interface Choice {
  readonly name?: string;
  readonly labelSelector?: string;
}

export async function logs(target: string | undefined, options: LogsOptions, context: Context): Promise<number> {
  if (target !== undefined && options.selector !== undefined)
    throw usageError("give a pod or deployment, or --selector, not both");
  const tail = options.tail === undefined ? undefined : wholeNumber("--tail", options.tail, 0, 1_000_000);
  const { paths, info } = requireDaemon(options.name, context);
  const { access, client } = connectApi(paths, info);
  const { namespace } = options;
  const choice = await choose(client, target, options, paths);
  const stop = new AbortController();
  process.once("SIGINT", () => {
    stop.abort();
  });
  const stream = new LogStream({
    access,
    terminal: context.terminal,
    follow: options.follow === true,
    tailLines: () => tail,
    signal: stop.signal,
  });
  const matches = (pod: Stored<Pod>): boolean => choice.name === undefined || pod.metadata.name === choice.name;
  const selector = choice.labelSelector === undefined ? {} : { labelSelector: choice.labelSelector };
  const listed = await client.list(resources.pods, { namespace, ...selector });
  const pods = listed.items.filter(matches);
  const there = new Set(pods.map(({ metadata }) => metadata.uid));
  // The last lines are of what runs.
  const gone = tail === undefined ? (await keptOf(choice, namespace, paths)).filter(({ uid }) => !there.has(uid)) : [];
  if (pods.length === 0 && gone.length === 0 && options.follow !== true)
    throw new CliError(
      `no pods ${target === undefined ? "" : `of ${target} `}in namespace "${namespace}": see "wherry status"`,
    );
  for (const one of gone) await showGone(one, stream, paths, stop.signal);
  for (const pod of pods) stream.show(pod);
  if (options.follow === true) await followPods(client, namespace, selector, matches, stream, context, stop.signal);
  await stream.ended();
  return 0;
}

/** Logs of pods that are gone, oldest first. */
async function keptOf(choice: Choice, namespace: string, { keptLogs: folder }: ClusterPaths): Promise<KeptLog[]> {
  const { keptLogs } = await loadKeptLogs();
  const selector = parseLabelSelector(choice.labelSelector ?? "");
  return (await keptLogs(folder)).filter(
    (one) =>
      one.namespace === namespace &&
      (choice.name === undefined ? selector.matches(one.labels) : one.name === choice.name),
  );
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
  selector: { readonly labelSelector?: string },
  matches: (pod: Stored<Pod>) => boolean,
  stream: LogStream,
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      const listed = await client.list(resources.pods, { namespace, ...selector, signal });
      for (const pod of listed.items.filter(matches)) stream.show(pod);
      const resourceVersion = listed.metadata.resourceVersion ?? "";
      for await (const event of client.watch(resources.pods, { namespace, ...selector, resourceVersion, signal }))
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

async function choose(
  client: KubeClient,
  target: string | undefined,
  options: LogsOptions,
  paths: ClusterPaths,
): Promise<Choice> {
  if (target === undefined) return options.selector === undefined ? {} : { labelSelector: options.selector };
  const [type, name] = target.includes("/") ? target.split("/", 2) : ["pod", target];
  if (name === undefined || name === "") throw usageError(`${target} names nothing: use POD, or deployment/NAME`);
  switch (type) {
    case "pod":
    case "pods":
    case "po":
      try {
        await client.get(resources.pods, name, options.namespace);
      } catch (error) {
        const isGone = error instanceof StatusError && error.httpStatus === 404;
        if (!isGone || (await keptOf({ name }, options.namespace, paths)).length === 0) throw error;
      }
      return { name };
    case "deployment":
    case "deployments":
    case "deploy": {
      const deployment = await client.get(resources.deployments, name, options.namespace);
      return { labelSelector: selectorText(deployment.spec?.selector ?? {}) };
    }
    case "service":
    case "services":
    case "svc": {
      const service = await client.get(resources.services, name, options.namespace);
      return { labelSelector: selectorText({ matchLabels: service.spec?.selector ?? {} }) };
    }
    default:
      throw usageError(`logs are had of pod/NAME, deployment/NAME and service/NAME, not of ${type ?? ""}`);
  }
}

function selectorText(selector: LabelSelector): string {
  const equal = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) => {
    const list = `(${(values ?? []).join(",")})`;
    if (operator === "In") return `${key} in ${list}`;
    if (operator === "NotIn") return `${key} notin ${list}`;
    return operator === "Exists" ? key : `!${key}`;
  });
  return [...equal, ...expressions].join(",");
}
