// Why pods don't get ready, for a person: the reason as the API has it, the error that the program ended with, the end of its log
// around it, and what to do about the mistakes that everybody makes once. Reads logs; changes nothing.
import { nearest } from "@wherry/core";
import type { Pod, Stored } from "@wherry/kube/types";
import type { ClusterAccess } from "../client.ts";
import { cliLimits } from "../limits.ts";
import { levelName, logRecord, readable } from "../log-record.ts";
import type { Trouble } from "./readiness.ts";
import { isOfServiceFile, ports } from "./service-file.ts";
import type { Waiting } from "./waiting.ts";
import { packagesOf } from "./workspace.ts";

/** What keeps pods from getting ready. */
export interface NotReady {
  readonly troubles: readonly Trouble[];
  /** Pods that have none. */
  readonly waiting: readonly Waiting[];
}

/** @returns lines; one trouble for all replicas that have the same */
export async function explain(
  { troubles, waiting }: NotReady,
  access: ClusterAccess,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const lines = [
    ...(await explainTroubles(troubles, access, signal)),
    ...(await explainWaiting(waiting, access, signal)),
  ];
  return lines.length === 0 ? ["  pods are still starting"] : lines;
}

async function explainTroubles(
  found: readonly Trouble[],
  access: ClusterAccess,
  signal: AbortSignal,
): Promise<readonly string[]> {
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
    parts.push(...explainLog(await logOf(pod, container, access, signal)));
    const status = pod.status?.containerStatuses?.find((one) => one.name === container);
    const exit = (status?.state?.terminated ?? status?.lastState?.terminated)?.exitCode;
    if (exit === 0) parts.push(`  hint: ${hints.ended}`);
  }
  return parts;
}

async function explainWaiting(
  found: readonly Waiting[],
  access: ClusterAccess,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const seen = new Set<string>();
  const parts: string[] = [];
  for (const { pod, container, text, port } of found) {
    const alike = `${pod.metadata.ownerReferences?.[0]?.uid ?? pod.metadata.uid} ${text}`;
    if (seen.has(alike)) continue;
    seen.add(alike);
    parts.push(`  pod ${pod.metadata.namespace ?? "default"}/${pod.metadata.name} ${text}`);
    if (container === "") continue;
    // What ended nothing decides nothing: its last lines are enough.
    const log = await logOf(pod, container, access, signal);
    parts.push(...explainLog(log.slice(-cliLimits.whyLogLines)));
    parts.push(`  hint: ${port === undefined ? hints.unready : hintOfPort(port, isOfServiceFile(pod))}`);
  }
  return parts;
}

function hintOfPort(port: number, isServiceFile: boolean): string {
  return isServiceFile && port === ports.messaging ? hints.noService : hints.silent.replace("PORT", String(port));
}

async function logOf(
  pod: Stored<Pod>,
  container: string,
  access: ClusterAccess,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { logLines } = await import("../log-lines.ts");
  const { name, namespace = "default" } = pod.metadata;
  const lines: string[] = [];
  const query = { namespace, pod: name, container, tailLines: cliLimits.whyLogLinesRead };
  for await (const line of logLines(access, query, signal)) lines.push(line);
  return lines;
}

const hints = {
  address:
    "every pod has an address of its own, in $POD_IP (and $HOST): a program that binds all addresses, or localhost, meets " +
    'the other pods there. Bind that one, as in: command: [python, -m, http.server, "8080", --bind, $(POD_IP)]',
  ended:
    "the program ended by itself, without an error. A service file stays up with `await run(service(…))` at its end",
  noService:
    'what "wherry up" is given as a file is a service of @wherry/service, which listens there as soon as it calls `await run(service(…))`. ' +
    'A program of another kind takes a manifest that says its port: "wherry manifest FILE" prints one to begin with',
  silent:
    "let it listen on port PORT of $POD_IP (it is in $HOST, too), or correct the port of its probe. If it only needs longer: --timeout 5m",
  unready: "what its probe says is answered by the program itself. If it only needs longer: --timeout 5m",
} as const;

const plain = { style: (_: unknown, text: string): string => text, clean: (text: string): string => text };

/** The one line of a container's log that says why it ended, if there is one. */
export async function decidingLineOf(
  { pod, container }: Pick<Waiting, "pod" | "container">,
  access: ClusterAccess,
  signal: AbortSignal,
): Promise<string | undefined> {
  return decidingLine(await logOf(pod, container, access, signal));
}

function decidingLine(lines: readonly string[]): string | undefined {
  const at = lines.findLastIndex(isDeciding);
  if (at < 0) return undefined;
  const place = placeOf(lines, at);
  return `${logRecord(lines[at] ?? "")?.msg ?? lines[at]?.trim() ?? ""}${place === undefined ? "" : ` (${place})`}`;
}

/** The deciding line of a log, its end from there on, and a hint. @param packages what a file may import by name */
export function explainLog(lines: readonly string[], packages: typeof packagesOf = packagesOf): readonly string[] {
  if (lines.length === 0) return [];
  const at = lines.findLastIndex(isDeciding);
  const from = at < 0 ? lines.length - cliLimits.whyLogLines : Math.min(at, lines.length - cliLimits.whyLogLines);
  const shown = lines
    .slice(Math.max(0, from))
    .flatMap((line) => readable(line, plain))
    .slice(-cliLimits.whyLogLinesRead);
  const deciding = decidingLine(lines);
  return [
    ...(deciding === undefined ? [] : [`  ${deciding}`]),
    "  its last log lines:",
    ...shown.slice(0, cliLimits.whyLogLinesShown).map((line) => `    ${line}`),
    ...(lines.some((line) => /EADDRINUSE|Address already in use/i.test(line)) ? [`  hint: ${hints.address}`] : []),
    ...missingPackage(lines, packages),
  ];
}

const missing = /Cannot find package '((?:@[\w.-]+\/)?[\w.-]+)(?:[^']*)'(?: imported from (\S+))?/;

/** `npm install zod`; of `zod/mini`, the same; of what the project has itself, or nearly, that. */
function missingPackage(lines: readonly string[], packages: typeof packagesOf): string[] {
  const found = lines.map((line) => missing.exec(line)).findLast((one) => one !== null);
  const [, name, from] = found ?? [];
  if (name === undefined) return [];
  const { workspaces, installed } = from === undefined ? { workspaces: [], installed: [] } : packages(from);
  if (workspaces.includes(name))
    return [
      `  hint: ${name} is a package of this project's workspaces that is not linked yet: npm install, in the project's folder`,
    ];
  const near = nearest(name, [...workspaces, ...installed]);
  const scope = name.startsWith("@") ? name.slice(0, name.indexOf("/") + 1) : undefined;
  const family = workspaces.filter((one) => scope !== undefined && one.startsWith(scope));
  if (family.length > 0)
    return [
      `  hint: no package of this project's workspaces is called so${near}${near === "" ? "; there" : " There"} are: ${family.join(", ")}`,
    ];
  return [`  hint: it is not installed${near === "" ? "" : `${near} Else`}: npm install ${name}`];
}

/** Where it went wrong: the first line of the stack that is a file's; of a syntax error, what Node prints above it. */
function placeOf(lines: readonly string[], at: number): string | undefined {
  const above = lines.slice(Math.max(0, at - 6), at).find((line) => /^(file:\/\/)?\/\S+:\d+$/.test(line));
  if (/SyntaxError/.test(lines[at] ?? "")) return above?.replace("file://", "");
  const frames = lines
    .slice(at + 1)
    .map((line) => /^ +at (?:.*\()?((?:file:\/\/)?\/\S+:\d+):\d+\)?(?: \{)?$/.exec(line)?.[1]);
  return (frames.find((frame) => frame !== undefined) ?? above)?.replace("file://", "");
}

/** `Error: …`, `SyntaxError: …`, `Error [CODE]: …`, Python's `OSError: …`, or a fatal record. */
function isDeciding(line: string): boolean {
  const record = logRecord(line);
  if (record !== undefined) return levelName(record.level) === "FATAL";
  return /^(Uncaught )?([A-Za-z_.]*(Error|Exception)|panic)( \[\w+\])?: \S/.test(line);
}
