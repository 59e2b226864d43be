// `wherry dead-letters`: the calls of a durable method that nobody runs any more, and why; drives them back, or deletes them. It asks
// the broker: no cluster needs to run. Only where that knows of no such queue is the service asked whether it has such a method. It makes
// nothing: no queue, and no file.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { clusterPaths, wherryHome } from "@wherry/cluster/state";
import { type Broker, type DeadLetter, openBroker, queueOf } from "@wherry/service";
import type { CommonOptions } from "../common-options.ts";
import type { Context } from "../context.ts";
import { CliError, usageError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import { printData } from "../output.ts";
import { table, type Terminal } from "../terminal.ts";
import { wholeNumber } from "../values.ts";

export interface DeadLettersOptions extends CommonOptions {
  /** Ids; true: none were named, so `all` must be. */
  readonly redrive?: readonly string[] | true;
  readonly purge?: readonly string[] | true;
  readonly all?: true;
  readonly broker?: string;
  readonly limit: string;
  readonly output?: "json" | "yaml";
}

interface Change {
  readonly verb: "redrive" | "purge";
  readonly which: "all" | readonly string[];
}

/** @throws CliError usage; and when the broker holds nothing, or not all of what was named. */
export async function deadLetters(
  target: string,
  method: string,
  options: DeadLettersOptions,
  context: Context,
): Promise<number> {
  const [service = "", namespace = "default", ...more] = target.split(".");
  if (service === "" || namespace === "" || more.length > 0)
    throw usageError(`a service is NAME or NAME.NAMESPACE, not ${JSON.stringify(target)}`);
  const limit = wholeNumber("--limit", options.limit, 1, cliLimits.deadLettersListedMax);
  const change = changeOf(options);
  const broker = await openBroker({ url: existing(options.broker) ?? defaultUrl(options.name, context) });
  try {
    const queue = queueOf(service, method, namespace);
    await requireQueue(broker, queue, { target, method }, options, context);
    if (change === undefined) await list(broker, queue, limit, options.output, context.terminal);
    else await apply(broker, queue, change, context.terminal);
    return 0;
  } finally {
    await broker.close();
  }
}

/** A mistyped service or method must not read as healthy: what the broker doesn't know, the cluster may. */
async function requireQueue(
  broker: Broker,
  queue: string,
  { target, method }: { readonly target: string; readonly method: string },
  { broker: url, name: cluster }: DeadLettersOptions,
  context: Context,
): Promise<void> {
  const there = await broker.hasQueue(queue);
  if (there === true) return;
  // A broker that is named may be another cluster's: this one can't tell.
  const why =
    url === undefined
      ? await (await import("./durable-method.ts")).unknownQueue(target, method, cluster, context)
      : "check service, method and namespace (NAME.NAMESPACE)";
  if (there === false) {
    const meant = why ?? "the service has such a method, so its pods use another broker, or never reached theirs";
    throw new CliError(`the broker has no queue ${queue}: no pod has consumed it, and no call was stored; ${meant}`);
  }
  if (why === undefined) return;
  context.terminal.note(`warning: ${queue} is empty, and whether there is such a method can't be told: ${why}`);
}

/** A file that isn't there is a mistyped path: it is not made. */
function existing(url: string | undefined): string | undefined {
  if (url?.startsWith("sqlite:///") !== true || !URL.canParse(url)) return url;
  const file = url.replace("sqlite:", "file:");
  if (/%(?![0-9a-f]{2})/i.test(url) || mayBeThere(fileURLToPath(file))) return url;
  throw new CliError(
    `expected a broker's file in ${fileURLToPath(file)}, and there is none: check the path of --broker or BROKER_URL`,
  );
}

/** What can't be looked at, for want of rights, may be there: opening it will tell. */
function mayBeThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOTDIR";
  }
}

function changeOf({ redrive, purge, all }: DeadLettersOptions): Change | undefined {
  if (redrive !== undefined && purge !== undefined) throw usageError("--redrive or --purge, not both at once");
  const ids = redrive ?? purge;
  if (ids === undefined) {
    if (all === true) throw usageError("--all says which: it takes --redrive or --purge");
    return undefined;
  }
  const verb = redrive === undefined ? "purge" : "redrive";
  if (all === true && ids !== true) throw usageError(`--${verb} takes ids or --all, not both`);
  if (all === true) return { verb, which: "all" };
  if (ids === true) throw usageError(`--${verb} takes the ids of dead letters, or --all`);
  return { verb, which: ids };
}

/** BROKER_URL, else the cluster's own file; one that isn't there is not made. */
function defaultUrl(cluster: string, { env }: Context): string {
  const named = env["BROKER_URL"] ?? "";
  if (named !== "") return existing(named) ?? named;
  const path = join(clusterPaths(wherryHome(env), cluster).folder, "durable.db");
  if (!existsSync(path))
    throw new CliError(
      `cluster "${cluster}" has stored no durable calls: there is no ${path}. Is it another cluster (--name), or a server (--broker or BROKER_URL)?`,
    );
  return `sqlite://${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}`;
}

async function apply(broker: Broker, queue: string, { verb, which }: Change, terminal: Terminal): Promise<void> {
  const count = await broker[verb](queue, which);
  const done = verb === "redrive" ? "driven back: its turn comes again" : "deleted";
  terminal.out(`${count} ${count === 1 ? "call" : "calls"} of ${queue} ${done}`);
  if (which !== "all" && count < which.length)
    throw new CliError(`${which.length - count} of the ids are no dead letters of ${queue} (any more)`);
}

async function list(
  broker: Broker,
  queue: string,
  limit: number,
  output: "json" | "yaml" | undefined,
  terminal: Terminal,
): Promise<void> {
  const letters = await broker.deadLetters(queue, limit);
  const { ready, inFlight, dead } = await broker.depth(queue);
  if (output !== undefined) {
    const depth = { ready, inFlight: inFlight ?? null, dead };
    await printData({ queue, depth, deadLetters: letters.map(dataOf) }, [], output, terminal);
    return;
  }
  const rows = letters.map(({ id, key, reason, count, publishedMs, diedMs }) => [
    ...[id, key ?? "-", String(count), timeOf(publishedMs), timeOf(diedMs), reason.code],
    reason.message.replaceAll(/\s+/g, " "),
  ]);
  const head = ["ID", "KEY", "DELIVERIES", "STORED", "DIED", "CODE", "REASON"];
  if (rows.length > 0) for (const line of table([head, ...rows])) terminal.out(terminal.clean(line));
  const beside = `${ready} wait${inFlight === undefined ? "" : `, ${inFlight} run`}`;
  const shown = letters.length < dead ? `, the oldest ${letters.length} shown (--limit)` : "";
  terminal.note(`${queue}: ${dead} dead${shown}; ${beside}`);
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** A JSON body as its value, bytes as base64. */
function dataOf({ id, key, content, body, reason, count, publishedMs, diedMs }: DeadLetter): Record<string, unknown> {
  const facts = { id, key: key ?? null, reason, deliveries: count, stored: timeOf(publishedMs), died: timeOf(diedMs) };
  if (body === undefined) return facts;
  const bytes = Buffer.from(body);
  return content === 1 ? { ...facts, body: valueOf(bytes.toString()) } : { ...facts, base64: bytes.toString("base64") };
}

/** What is no JSON after all is shown as it is. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
