// `wherry describe`: what a service says of itself, and how each of its pods is. It asks the pods themselves, through the messaging port.
import type { Pod, Stored } from "@wherry/kube/types";
import {
  type Client,
  connect,
  type QueuesDescription,
  type ServiceDescription,
  ServiceError,
  type ServiceStats,
} from "@wherry/service";
import type { CommonOptions } from "../common-options.ts";
import type { Context } from "../context.ts";
import { type CurveOptions, curveOf } from "../curve.ts";
import { cliLimits } from "../limits.ts";
import { methodLines } from "../method-lines.ts";
import { printData } from "../output.ts";
import { silentState } from "../pod-state.ts";
import { schemaText } from "../schema-text.ts";
import { askService, describeService, findService, type FoundService, queuesOf } from "../service-target.ts";
import { table, type Terminal } from "../terminal.ts";
import { duration } from "../values.ts";

export interface DescribeOptions extends CommonOptions, CurveOptions {
  readonly all?: boolean;
  readonly deadline: string;
  readonly output?: "json" | "yaml" | "openapi";
}

/** A pod's answer to `$stats`, or why there is none, and how the cluster says that the pod is. */
interface Instance {
  readonly pod: string;
  readonly stats?: ServiceStats;
  readonly error?: string;
  readonly state?: string;
}

export async function describe(target: string, options: DescribeOptions, context: Context): Promise<number> {
  const deadlineMs = duration("--deadline", options.deadline);
  const found = await findService(target, options.name, context);
  const { kube, name, namespace } = found;
  const curve = await curveOf(options, context, found);
  const client = connect(name, { kube, namespace, deadlineMs, name: "wherry-describe", subset: false, ...curve });
  try {
    if (options.output === "openapi") {
      await printData(await askService(client, name, "$openapi"), [name], "json", context.terminal);
      return 0;
    }
    const description = await describeService(client, name);
    const [instances, queues] = await Promise.all([askAll(client, found), queuesOf(client, description)]);
    const data = { ...description, ...(queues === undefined ? {} : { queues }), instances };
    if (options.output === undefined)
      print({ about: description, instances, queues, httpUrl: found.httpUrl }, options.all === true, context.terminal);
    else await printData(data, [name], options.output, context.terminal);
    return 0;
  } finally {
    await client.close();
  }
}

async function askAll(client: Client, { pods, podsNow }: FoundService): Promise<Instance[]> {
  const instances = await Promise.all(pods.slice(0, cliLimits.describedPodsMax).map((pod) => ask(client, pod)));
  if (instances.every(({ stats }) => stats !== undefined)) return instances;
  // One that was deleted meanwhile is not out of order.
  const now = new Map((await podsNow()).map((pod) => [pod.metadata.name, pod]));
  return instances.map((instance) =>
    instance.error === undefined
      ? instance
      : { ...instance, state: silentState(now.get(instance.pod), instance.error) },
  );
}

async function ask(client: Client, { metadata: { name: pod, deletionTimestamp } }: Stored<Pod>): Promise<Instance> {
  // It takes no new questions: it would be waited for in vain.
  if (deletionTimestamp !== undefined) return { pod, error: "UNAVAILABLE" };
  try {
    return { pod, stats: (await client.call("$stats", undefined, { to: pod })) as ServiceStats };
  } catch (error) {
    if (!ServiceError.is(error)) throw error;
    return { pod, error: error.code };
  }
}

interface Told {
  readonly about: ServiceDescription;
  readonly instances: readonly Instance[];
  readonly queues: QueuesDescription | undefined;
  /** Its Service's. */
  readonly httpUrl: string | undefined;
}

function print({ about, instances, queues = {}, httpUrl }: Told, all: boolean, terminal: Terminal): void {
  const answering = instances.filter(({ stats }) => stats !== undefined).length;
  const version = about.version === "" ? "" : ` ${about.version}`;
  const out = (line: string): void => terminal.out(terminal.clean(line));
  const leaving = instances.filter(({ state }) => state === "leaving" || state === "gone").length;
  const others = leaving === 0 ? "" : `, ${leaving} leaving`;
  const staying = instances.length - leaving;
  const http = about.httpPort === undefined ? "" : `, ${httpUrl ?? `HTTP on port ${about.httpPort} of each pod`}`;
  out(`${about.name}${version}  protocol ${about.protocol}${http}, ${answering} of ${staying} pods answer${others}`);
  const columns = terminal.columns - margin.length;
  lines("methods", methodLines(about.methods, { columns, http: about.httpPort !== undefined }), terminal);
  section(
    "topics",
    Object.entries(about.topics).map(([name, { event }]) => [name, schemaText(event)]),
    terminal,
  );
  const depths = Object.entries(queues).map(([name, depth]) => [name, ...depthCells(depth)]);
  if (depths.length > 0) section("queues", [["method", "waiting", "out", "dead"], ...depths], terminal);
  const { concurrency, queueMax, streamsMax } = about.limits;
  if (about.raw) out("\nplain ZeroMQ sockets are served");
  out(`\nlimits  concurrency ${concurrency}, queueMax ${queueMax}, streamsMax ${streamsMax}`);
  const shown = all ? instances : instances.slice(0, cliLimits.describedPodsShown);
  section("pods", fitting([podHeads, ...shown.map(instanceRow)], columns), terminal);
  if (shown.length < instances.length) out(`  and ${instances.length - shown.length} more: --all`);
  if (all) for (const instance of instances) printMethods(instance, terminal);
}

const margin = "  ";

const section = (title: string, rows: readonly (readonly string[])[], terminal: Terminal): void =>
  lines(title, table(rows), terminal);

function lines(title: string, below: readonly string[], terminal: Terminal): void {
  if (below.length === 0) return;
  terminal.out(`\n${title}`);
  for (const line of below) terminal.out(terminal.clean(`${margin}${line}`.trimEnd()));
}

const podHeads = ["pod", "state", "up", "calls", "failed", "p99", "queued", "running", "streams", "credit", "peers"];
/** Columns that a narrow terminal does without, the first one first, while they say nothing but 0; the last two also when they do. */
const dispensable = ["streams", "queued", "running", "failed", "credit", "peers"];

/** Leaves columns out until the rest fits. `--output json` has them all. */
function fitting(rows: readonly (readonly string[])[], columns: number): readonly (readonly string[])[] {
  const tooWide = (kept: readonly string[]): boolean =>
    Math.max(...table(pick(rows, kept)).map((line) => line.trimEnd().length)) > columns;
  let kept: readonly string[] = podHeads;
  for (const name of dispensable) {
    const at = podHeads.indexOf(name);
    const says = rows.slice(1).some((row) => (row[at] ?? "0") !== "0");
    if (tooWide(kept) && (!says || name === "credit" || name === "peers"))
      kept = kept.filter((other) => other !== name);
  }
  return pick(rows, kept);
}

const pick = (rows: readonly (readonly string[])[], kept: readonly string[]): readonly (readonly string[])[] =>
  rows.map((row) => row.filter((_, at) => kept.includes(podHeads[at] ?? "")));

/** Null: the broker did not tell in time. */
function depthCells(depth: QueuesDescription[string] | undefined): string[] {
  if (depth === null || depth === undefined) return ["?", "?", "?"];
  const { ready, inFlight, dead } = depth;
  return [String(ready), inFlight === undefined ? "-" : String(inFlight), String(dead)];
}

function instanceRow({ pod, stats, state = "" }: Instance): string[] {
  if (stats === undefined) return [pod, state];
  const methods = Object.values(stats.methods);
  const calls = methods.reduce((sum, { count }) => sum + count, 0);
  const good = methods.reduce((sum, { codes }) => sum + (codes["OK"] ?? 0), 0);
  const slowest = methods.map(({ p99Ms }) => p99Ms).filter((p99Ms) => p99Ms !== undefined);
  const p99 =
    slowest.length === 0 ? "-" : milliseconds(slowest.includes(null) ? null : Math.max(...slowest.map(Number)));
  const counts = [stats.queued, stats.running, stats.streams, stats.credit, stats.peers].map(String);
  return [pod, stats.state, age(stats.uptimeMs), String(calls), String(calls - good), p99, ...counts];
}

function printMethods({ pod, stats }: Instance, terminal: Terminal): void {
  if (stats === undefined) return;
  const rows = Object.entries(stats.methods).map(([name, { count, codes, p50Ms, p90Ms, p99Ms, itemsIn, itemsOut }]) => [
    ...[
      name,
      String(count),
      ...[p50Ms, p90Ms, p99Ms].map((value) => (value === undefined ? "-" : milliseconds(value))),
    ],
    itemsIn === undefined ? "-" : `${itemsIn} in, ${itemsOut ?? 0} out`,
    Object.entries(codes)
      .map(([code, times]) => `${code} ${times}`)
      .join(", "),
  ]);
  section(pod, [["method", "calls", "p50", "p90", "p99", "items", "codes"], ...rows], terminal);
}

/** The upper bound of a histogram's bucket; null: above the last. */
const milliseconds = (value: number | null): string => (value === null ? "> 10 s" : `≤ ${value} ms`);

function age(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds}s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)}m` : `${Math.floor(seconds / 3600)}h`;
}
