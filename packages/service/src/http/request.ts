// What a service is asked over HTTP: from a request's address, headers and body to what its server takes. Pure but for the
// reading of the body; it answers nothing.
import type { BodyShare } from "../server/body-budget.ts";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { noBody } from "../contract.ts";
import { ServiceError } from "../errors.ts";
import { jsonSchemaOf } from "../json-schema.ts";
import { deadlineMsDefault, httpDeadlineMsMax, textBytesMax } from "../limits.ts";
import { contentType } from "../protocol/codes.ts";
import { decodeArgument, encodeContent } from "../protocol/content.ts";
import type { Incoming } from "../server/caller.ts";
import type { Method } from "../service.ts";
import { fittingTraceState } from "../tracing/trace-context.ts";
import { contentOf, hasBody, readBody } from "./body.ts";
import { bodyFromPath, bodyFromQuery } from "./parameters.ts";
import type { Match } from "./route.ts";

/** Milliseconds that the client waits, by its own word or its proxy's; the shorter of both. */
const deadlineHeaders = ["connect-timeout-ms", "x-envoy-expected-rq-timeout-ms"] as const;

/**
 * @param proceed called before the body is read: a client that asked whether it may send one is told to
 * @throws ServiceError INVALID, TOO_LARGE, BUSY: the request did not start
 */
export async function incomingOf(
  request: IncomingMessage,
  { route, parameters }: Match<Method>,
  query: string,
  share: BodyShare,
  proceed: () => void,
): Promise<Incoming> {
  const { method } = route;
  const bodiless = route.verb === "GET" || route.verb === "DELETE";
  if (bodiless && hasBody(request)) throw invalid(`body: expected none with ${route.verb}, got one`);
  const common = headOf(method, request.headers);
  const content = contentOf(request);
  proceed();
  const body = content === contentType.none ? undefined : await readBody(request, share);
  if (Object.keys(parameters).length === 0 && query === "" && !bodiless) return { ...common, content, body };
  return { ...common, ...merged(decodeObject(content, body), parameters, query, method) };
}

/** Does its client read Server-Sent Events? An `EventSource` says so. */
export function acceptsEvents({ headers }: Pick<IncomingMessage, "headers">): boolean {
  return (headers.accept ?? "").includes("text/event-stream");
}

/** What the headers say. @throws ServiceError INVALID */
export function headOf(method: Method, headers: IncomingHttpHeaders): Omit<Incoming, "content" | "body"> {
  return {
    id: 0,
    method: method.name,
    key: keyOf(headers),
    trace: traceOf(headers),
    traceState: fittingTraceState(String(headers["tracestate"] ?? "")),
    attempt: 1,
    // A stream has the end that it has, unless its client says otherwise.
    withinMs: withinMsOf(headers, method.stream === undefined ? deadlineMsDefault : Number.POSITIVE_INFINITY),
  };
}

/** The body's own properties, those of the query, those of the path: what is more specific wins. */
function merged(
  body: Readonly<Record<string, unknown>> | undefined,
  parameters: Readonly<Record<string, string>>,
  query: string,
  method: Method,
): Pick<Incoming, "content" | "body"> {
  const schema = jsonSchemaOf(method.input, "input");
  const all = new Map<string, unknown>(Object.entries(body ?? {}));
  for (const [name, value] of bodyFromQuery(new URLSearchParams(query), schema)) all.set(name, value);
  for (const [name, value] of bodyFromPath(parameters, schema)) all.set(name, value);
  const takesNone = method.input === undefined || method.input === noBody;
  if (body === undefined && all.size === 0 && takesNone) return encodeContent(undefined);
  return encodeContent(Object.fromEntries(all));
}

/** @throws ServiceError INVALID: with parameters in path or query, the rest of the body is an object */
function decodeObject(
  content: Incoming["content"],
  body: Uint8Array | undefined,
): Readonly<Record<string, unknown>> | undefined {
  if (body === undefined) return undefined;
  const value = decodeArgument(content, body);
  if (typeof value === "object" && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value))
    return value as Readonly<Record<string, unknown>>;
  throw invalid("body: expected a JSON object, as there are parameters in the path or the query");
}

/** `Idempotency-Key: "8e03978e"`, with or without the quotes of a structured field. */
function keyOf({ "idempotency-key": given }: IncomingHttpHeaders): string {
  if (given === undefined) return "";
  const text = String(given);
  const key = /^"(.*)"$/.exec(text)?.[1] ?? text;
  if (key !== "" && Buffer.byteLength(key) <= textBytesMax) return key;
  throw invalid(`Idempotency-Key: expected 1 to ${textBytesMax} bytes, got ${Buffer.byteLength(key)}`);
}

/** What is no W3C `traceparent` is left out, as its standard wants it: a trace is no reason to refuse a request. */
function traceOf({ traceparent }: IncomingHttpHeaders): string {
  const text = String(traceparent ?? "");
  return /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,150})?$/.test(text) ? text : "";
}

function withinMsOf(headers: IncomingHttpHeaders, otherwise: number): number {
  let withinMs = Number.POSITIVE_INFINITY;
  for (const name of deadlineHeaders) {
    const given = headers[name];
    if (given === undefined) continue;
    if (!/^\d{1,10}$/.test(String(given)))
      throw invalid(`${name}: expected milliseconds, got ${JSON.stringify(given)}`);
    withinMs = Math.min(withinMs, Number(given));
  }
  return withinMs === Number.POSITIVE_INFINITY ? otherwise : Math.min(withinMs, httpDeadlineMsMax);
}

function invalid(message: string): ServiceError {
  return new ServiceError("INVALID", message, { fate: "not-started" });
}
