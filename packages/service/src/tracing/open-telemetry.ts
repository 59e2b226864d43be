// Spans for OpenTelemetry, where the program has registered a provider; else nothing is made, and its API is not even loaded: it
// announces itself on the global object. Names and attributes are those of its semantic conventions for RPC
// (https://opentelemetry.io/docs/specs/semconv/rpc/), kinds of durable calls those for messaging.
import { createRequire } from "node:module";
import type * as OpenTelemetryApi from "@opentelemetry/api";
import type { ServiceError } from "../errors.ts";
import { fittingTraceState, formatTraceParent, parseTraceParent } from "./trace-context.ts";

/** What a request's context tells. */
interface Handled {
  readonly method: string;
  readonly peer: string;
  readonly attempt: number;
  readonly callerTrace: string;
  readonly traceState: string;
}

type Api = typeof OpenTelemetryApi;

/** One span: of a call, with all its attempts, or of a request that is handled. */
export interface CallSpan {
  readonly traceparent: string;
  readonly tracestate: string;
  /** Runs `work` with this span as the active one. */
  within<Result>(work: () => Result): Result;
  attempt(number: number, address: string): void;
  attemptFailed(error: ServiceError): void;
  /** @param failed false: an error that the method's callers expect. */
  end(error?: { readonly code: string; readonly message: string }, failed?: boolean): void;
}

/** https://github.com/open-telemetry/opentelemetry-js: where version 1 of the API keeps what was registered. */
const globalKey = Symbol.for("opentelemetry.js.api.1");

let tracing: Tracing | undefined;
let missing = false;

/** Undefined until a provider is registered. Cheap: asked before each call. */
export function openTelemetry(): Tracing | undefined {
  if (tracing !== undefined) return tracing;
  const registered = (globalThis as { readonly [globalKey]?: { readonly trace?: unknown } })[globalKey];
  if (registered?.trace === undefined || missing) return undefined;
  try {
    tracing = new Tracing(createRequire(import.meta.url)("@opentelemetry/api") as Api);
  } catch {
    // Bundled with the program, or another copy's: it cannot be reached from here.
    missing = true;
  }
  return tracing;
}

export class Tracing {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  get #tracer(): OpenTelemetryApi.Tracer {
    return this.#api.trace.getTracer("@wherry/service");
  }

  /**
   * A call: a child of the active span, else of `traceparent`, which may be empty.
   * @param stored a durable one: its span ends when the broker has it, and that of its handler begins later.
   */
  call(service: string, method: string, traceparent: string, tracestate: string, stored = false): CallSpan {
    const { context, trace, SpanKind } = this.#api;
    const active = context.active();
    const parent = trace.getSpan(active) === undefined ? this.#remote(traceparent, tracestate) : active;
    const more = stored ? { "messaging.operation.type": "send" } : {};
    return this.#start(stored ? SpanKind.PRODUCER : SpanKind.CLIENT, parent, service, method, more);
  }

  /**
   * A request that is handled: a child of its caller's span.
   * @param delivered by a broker. One that is delivered again has another span, of the same parent.
   */
  request(service: string, { method, peer, attempt, callerTrace, traceState }: Handled, delivered = false): CallSpan {
    const { SERVER, CONSUMER } = this.#api.SpanKind;
    const operation = delivered ? { "messaging.operation.type": "process" } : { "client.address": peer };
    const attributes = { ...operation, "wherry.attempt": attempt };
    const parent = this.#remote(callerTrace, traceState);
    return this.#start(delivered ? CONSUMER : SERVER, parent, service, method, attributes);
  }

  #remote(traceparent: string, tracestate: string): OpenTelemetryApi.Context {
    const { ROOT_CONTEXT, trace, createTraceState } = this.#api;
    const parent = parseTraceParent(traceparent);
    if (parent === undefined) return ROOT_CONTEXT;
    const { traceId, spanId, flags } = parent;
    const state = tracestate === "" ? {} : { traceState: createTraceState(tracestate) };
    const traceFlags = Number.parseInt(flags, 16);
    return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true, ...state });
  }

  #start(
    kind: OpenTelemetryApi.SpanKind,
    parent: OpenTelemetryApi.Context,
    service: string,
    method: string,
    more: OpenTelemetryApi.Attributes = {},
  ): CallSpan {
    const attributes = { "rpc.system": "wherry", "rpc.service": service, "rpc.method": method, ...more };
    const span = this.#tracer.startSpan(`${service}/${method}`, { kind, attributes }, parent);
    return new RecordedSpan(this.#api, span, this.#api.trace.setSpan(parent, span));
  }
}

class RecordedSpan implements CallSpan {
  readonly traceparent: string;
  readonly tracestate: string;
  readonly #api: Api;
  readonly #span: OpenTelemetryApi.Span;
  readonly #context: OpenTelemetryApi.Context;

  constructor(api: Api, span: OpenTelemetryApi.Span, context: OpenTelemetryApi.Context) {
    this.#api = api;
    this.#span = span;
    this.#context = context;
    const { traceId, spanId, traceFlags, traceState } = span.spanContext();
    this.traceparent = formatTraceParent({ traceId, spanId, flags: traceFlags.toString(16).padStart(2, "0") });
    this.tracestate = traceState === undefined ? "" : fittingTraceState(traceState.serialize());
  }

  within<Result>(work: () => Result): Result {
    return this.#api.context.with(this.#context, work);
  }

  attempt(number: number, address: string): void {
    const [, host = address, port] = /^tcp:\/\/(.+):(\d+)$/.exec(address) ?? [];
    const where = { "server.address": host, ...(port === undefined ? {} : { "server.port": Number(port) }) };
    this.#span.setAttributes(where);
    this.#span.addEvent("attempt", { "wherry.attempt": number, ...where });
  }

  attemptFailed({ code, fate }: ServiceError): void {
    this.#span.addEvent("attempt failed", { "error.type": code, "wherry.fate": fate });
  }

  end(error?: { readonly code: string; readonly message: string }, failed = true): void {
    if (error !== undefined) {
      this.#span.setAttribute("error.type", error.code);
      if (failed) this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: error.message });
    }
    this.#span.end();
  }
}
