// `wherry call`: requests through discovery and balancing, as any client of the service framework makes them.
import { readFileSync } from "node:fs";
import { asError, type Clock } from "@wherry/core";
import { type Client, connect, type ServiceDescription, ServiceError, type StreamKind } from "@wherry/service";
import type { Context } from "../context.ts";
import { type CurveOptions, curveOf } from "../curve.ts";
import { detailLines, errorText } from "../error-text.ts";
import { CliError, exitCodes, usageError } from "../errors.ts";
import { Histogram } from "../histogram.ts";
import { cliLimits } from "../limits.ts";
import type { CommonOptions } from "../common-options.ts";
import { findService, type FoundService } from "../service-target.ts";
import { duration, wholeNumber } from "../values.ts";
import { callStream, kindOf, type StreamCall } from "./call-stream.ts";

export interface CallCommandOptions extends CommonOptions, CurveOptions {
  readonly deadline?: string;
  readonly key?: string;
  readonly count: string;
  readonly concurrency: string;
  readonly text?: true;
}

/** The idempotency key of the call, if it has one. */
type Keyed = Readonly<Partial<Record<"key", string>>>;

interface Load {
  readonly count: number;
  readonly concurrency: number;
  readonly keyed: Keyed;
}

/** What came of a load: one histogram of what was answered, failures by code. */
interface Outcome {
  readonly latencies: Histogram;
  readonly failures: Map<string, { count: number; readonly example: ServiceError }>;
  readonly elapsedMs: number;
}

export async function call(
  target: string,
  method: string,
  text: string | undefined,
  options: CallCommandOptions,
  context: Context,
): Promise<number> {
  const deadlineMs = duration("--deadline", options.deadline ?? cliLimits.callDeadline);
  if (options.key === "") throw usageError('--key is empty: expected a key that names what is done, as "order-7"');
  const count = wholeNumber("--count", options.count, 1, cliLimits.callCountMax);
  const concurrency = wholeNumber("--concurrency", options.concurrency, 1, cliLimits.callConcurrencyMax);
  // What is mistyped is told before anything is asked of the cluster.
  const argument = text === "-" ? undefined : bodyOf(text, options.text);
  const found = await findService(target, options.name, context);
  const { kube, name, namespace } = found;
  const curve = await curveOf(options, context, found);
  const client = connect(name, { kube, namespace, deadlineMs, name: "wherry-call", ...curve });
  try {
    // Stdin is read as a whole for a body, and line by line for a stream's items: which, only the service knows.
    const kind = text === "-" && count === 1 ? await streamKindOf(client, method) : undefined;
    const body = text === "-" && !takesItems(kind) ? bodyOf(readInput(), options.text) : argument;
    const keyed = options.key === undefined ? {} : { key: options.key };
    if (count > 1) return await callMany(client, method, body, { count, concurrency, keyed }, context);
    const streamMs = options.deadline === undefined ? undefined : deadlineMs;
    return await callOnce(client, { method, body, kind, streamMs, keyed, found }, context);
  } finally {
    await client.close();
  }
}

/** Standard input, without the newline that ends it. */
function readInput(): string {
  const text = readFileSync(0, "utf8").replace(/\n$/, "");
  if (text.length > cliLimits.bodyCharsMax)
    throw usageError(`the body has ${text.length} characters; ${cliLimits.bodyCharsMax} at most are read from stdin`);
  return text;
}

/**
 * JSON when it is JSON, else the text itself; without one, nothing.
 * @param asText it is text, whatever it looks like
 * @throws CliError usage: it begins as an object or a list does, and is none
 */
export function bodyOf(text: string | undefined, asText = false): unknown {
  if (text === undefined || asText) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    // Rather a typing mistake than a text: sent as one, it would be refused for another reason than the true one, or be stored.
    if (/^\s*[[{]/.test(text)) throw usageError(notJson(asError(error).message));
    return text;
  }
}

const notJson = (why: string): string =>
  `the body begins as JSON does, and is not JSON: ${why}. A shell takes it whole in single quotes: '{"name":"you"}'. If it is meant as text: --text`;

const takesItems = (kind: StreamKind | undefined): boolean => kind === "in" || kind === "both";

/** Undefined: it is no stream, or the service does not say. */
async function streamKindOf(client: Client, method: string): Promise<StreamKind | undefined> {
  try {
    const { methods } = (await client.call("$describe")) as ServiceDescription;
    return methods[method]?.stream;
  } catch (error) {
    if (ServiceError.is(error)) return undefined;
    throw error;
  }
}

interface OneCall {
  readonly method: string;
  readonly body: unknown;
  /** Known to be a stream; a call of one that is not known to be is refused before anything starts, and is made again as one. */
  readonly kind: StreamKind | undefined;
  readonly streamMs: number | undefined;
  readonly keyed: Keyed;
  readonly found: Pick<FoundService, "name" | "hasMessagingPort">;
}

async function callOnce(client: Client, call: OneCall, context: Context): Promise<number> {
  const { method, body, streamMs, keyed } = call;
  const { terminal } = context;
  let { kind } = call;
  try {
    if (kind !== undefined)
      return await streaming(client, { method, body, kind, deadlineMs: streamMs, keyed }, context);
    const result: unknown = await client.call(method, body, keyed);
    if (typeof result === "string") terminal.out(terminal.clean(result));
    else if (result instanceof Uint8Array) terminal.raw(result);
    else if (result !== undefined) terminal.out(JSON.stringify(result, null, 2));
    return 0;
  } catch (error) {
    kind ??= kindOf(error);
    if (kind !== undefined && ServiceError.is(error))
      return streaming(client, { method, body, kind, deadlineMs: streamMs, keyed }, context);
    if (!ServiceError.is(error)) throw error;
    throw new CliError(errorText(error, foreignHint(error, call.found)), exitCodes.failed);
  }
}

/** Somebody who listens and does not answer, at a port of another name, most likely does not understand. */
function foreignHint({ code }: ServiceError, { name, hasMessagingPort }: OneCall["found"]): string {
  if (code !== "UNAVAILABLE" || hasMessagingPort) return "";
  return `. Only services of @wherry/service are called, by their port "messaging", and Service "${name}" has none of that name: it may answer another protocol, as HTTP`;
}

/** Ctrl-C ends the stream at both sides; a second one, the command. */
async function streaming(client: Client, call: StreamCall, context: Context): Promise<number> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  return callStream(client, call, { stdin: process.stdin, interrupted: interrupted.signal }, context);
}

async function callMany(client: Client, method: string, body: unknown, load: Load, context: Context): Promise<number> {
  const outcome = await run(client, method, body, load, context);
  const { terminal } = context;
  for (const line of report(outcome, load)) terminal.out(line);
  for (const [code, { count, example }] of outcome.failures)
    terminal.note(
      `${terminal.style("red", `${count} failed`)}  ${terminal.clean([`${code}: ${example.message}`, ...detailLines(example)].join("\n"))}`,
    );
  return outcome.failures.size === 0 ? 0 : exitCodes.failed;
}

async function run(client: Client, method: string, body: unknown, load: Load, context: Context): Promise<Outcome> {
  const { clock, terminal } = context;
  const latencies = new Histogram();
  const failures: Outcome["failures"] = new Map();
  let left = load.count;
  const startMs = clock.monotonic();
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const problem = await timed(() => client.call(method, body, load.keyed), clock, latencies);
      if (problem === undefined) continue;
      const known = failures.get(problem.code);
      if (known === undefined) failures.set(problem.code, { count: 1, example: problem });
      else known.count += 1;
    }
  };
  let ticker = clock.timer(0, () => undefined);
  const tick = (): void => {
    terminal.progress(`${load.count - left} of ${load.count}`);
    ticker = clock.timer(cliLimits.progressMs, tick, { background: true });
  };
  tick();
  await Promise.all(Array.from({ length: Math.min(load.concurrency, load.count) }, worker));
  ticker.cancel();
  terminal.progress("");
  return { latencies, failures, elapsedMs: clock.monotonic() - startMs };
}

async function timed(
  make: () => Promise<unknown>,
  clock: Clock,
  latencies: Histogram,
): Promise<ServiceError | undefined> {
  const startMs = clock.monotonic();
  try {
    await make();
    latencies.add(clock.monotonic() - startMs);
    return undefined;
  } catch (error) {
    if (!ServiceError.is(error)) throw asError(error);
    return error;
  }
}

function report({ latencies, elapsedMs }: Outcome, load: Load): string[] {
  const rate = Math.round((latencies.count / elapsedMs) * 1000);
  return [
    `${latencies.count} of ${load.count} answered in ${(elapsedMs / 1000).toFixed(2)} s with ${load.concurrency} outstanding`,
    // Of none there are no times.
    ...(latencies.count === 0 ? [] : [`rate  ${rate} req/s`, ...percentiles(latencies)]),
  ];
}

function percentiles(latencies: Histogram): string[] {
  const milliseconds = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`;
  return [
    `p50   ${milliseconds(latencies.percentile(0.5))}`,
    `p90   ${milliseconds(latencies.percentile(0.9))}`,
    `p99   ${milliseconds(latencies.percentile(0.99))}`,
    `max   ${milliseconds(latencies.maxMs)}`,
  ];
}
