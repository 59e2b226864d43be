// What a service is: a name, and plain functions. Data and types only; nothing runs here.
import { type Logger, WherryError } from "@wherry/core";
import { queueRequestsMaxDefault, textBytesMax } from "./limits.ts";
import type { Schema } from "./schema.ts";

/** What a handler is told beside the body. */
export interface RequestContext {
  readonly method: string;
  /** Aborts when the caller cancels or the deadline passes. */
  readonly signal: AbortSignal;
  /** Milliseconds that the caller still waits; never below 0. */
  readonly remainingMs: number;
  /** The caller's idempotency key: the same for every attempt of one logical call. */
  readonly key: string | undefined;
  /** 1 for the first attempt of this call. */
  readonly attempt: number;
  /** W3C `traceparent` of the caller. */
  readonly trace: string | undefined;
  /** Where the request came from: `tcp://127.0.0.1:53211`. */
  readonly peer: string;
  readonly log: Logger;
}

/** What a raw handler is told beside the frames. */
export interface RawContext {
  readonly peer: string;
  readonly log: Logger;
}

/** A plain function; what it returns is the reply. Throw a `ServiceError` for what the caller must handle. */
export type Handler<Input = never, Output = unknown> = (
  body: Input,
  context: RequestContext,
) => Output | Promise<Output>;

/**
 * Gets the messages of plain ZeroMQ peers, without the empty delimiter that REQ sends; what it returns goes back, undefined
 * nothing. The frames may be views of a larger buffer: copy what outlives the handler.
 */
export type RawHandler = (frames: readonly Uint8Array[], context: RawContext) => RawReply | Promise<RawReply>;
export type RawReply = string | Uint8Array | readonly (string | Uint8Array)[] | undefined;

/** A handler with what is promised about it. */
export interface MethodDefinition<Input = never, Output = unknown> {
  readonly handler: Handler<Input, Output>;
  /** Validates the body before the handler sees it. */
  readonly input?: Schema<Input>;
  /** Validates the reply; one that fails is a bug of the handler. */
  readonly output?: Schema<Awaited<Output>>;
  /**
   * Who calls: an invalid body from `external` is answered INVALID; from `internal` it is a bug in our own system, and
   * crashes. Default `external`.
   */
  readonly trust?: "internal" | "external";
  /** Running it twice is the same as once: a client may repeat a call whose fate is unknown. Default false. */
  readonly idempotent?: boolean;
  /** The handler deduplicates by `context.key`: a client may repeat a call that has a key. Default false. */
  readonly keyed?: boolean;
}

/** What a method may be written as. */
export type AnyMethod = Handler | AnyMethodDefinition;
/** A `MethodDefinition` of any types. */
export interface AnyMethodDefinition extends Pick<MethodDefinition, "trust" | "idempotent" | "keyed"> {
  readonly handler: Handler;
  readonly input?: Schema;
  readonly output?: Schema;
}
export type Methods = Readonly<Record<string, AnyMethod>>;

export interface ServiceDefinition<M extends Methods = Methods> {
  readonly methods?: M;
  readonly raw?: RawHandler;
  /** Requests that run at the same time. Default 1: strictly one after the other. */
  readonly concurrency?: number;
  /** Requests that wait for a slot before the next is answered BUSY. Default 1000. */
  readonly queueMax?: number;
  /** Shown to clients and in logs. */
  readonly version?: string;
}

/** A method as the server runs it. */
export interface Method extends Required<Pick<MethodDefinition, "trust" | "idempotent" | "keyed">> {
  readonly name: string;
  readonly handler: (body: unknown, context: RequestContext) => unknown;
  readonly input: Schema | undefined;
  readonly output: Schema | undefined;
}

export interface Service<M extends Methods = Methods> {
  readonly name: string;
  readonly version: string;
  readonly methods: ReadonlyMap<string, Method>;
  readonly raw: RawHandler | undefined;
  readonly concurrency: number;
  readonly queueMax: number;
  /** Never there at run time: carries the methods' types to the client. */
  readonly types?: M;
}

/** The body that a method takes. */
export type InputOf<T> = T extends { readonly handler: (body: infer I, ...rest: never[]) => unknown }
  ? I
  : T extends (body: infer I, ...rest: never[]) => unknown
    ? I
    : never;

/** What a call of a method resolves to. */
export type OutputOf<T> = T extends { readonly handler: (...args: never[]) => infer O }
  ? Awaited<O>
  : T extends (...args: never[]) => infer O
    ? Awaited<O>
    : never;

/** The methods of a `Service` type, or those written down directly. */
export type MethodsOf<S> = S extends { readonly types?: infer M } ? Extract<M, Methods> : never;

/** Gives a method with a schema its body's type: `method({ input: schema, handler: (body) => … })`. */
export function method<Input, Output>(definition: MethodDefinition<Input, Output>): MethodDefinition<Input, Output> {
  return definition;
}

/**
 * Defines a service.
 * @param name as in DNS: lower case letters, digits and `-`, at most 63.
 * @throws WherryError SERVICE_DEFINITION_INVALID
 * @example service("echo", { methods: { echo: (body: unknown) => body }, raw: (frames) => frames })
 */
export function service<const M extends Methods>(name: string, definition: ServiceDefinition<M>): Service<M> {
  check(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name), "name", "a DNS label such as `echo`", name);
  const { concurrency = 1, queueMax = queueRequestsMaxDefault, version = "", raw } = definition;
  check(Number.isInteger(concurrency) && concurrency >= 1, "concurrency", "a whole number of at least 1", concurrency);
  check(Number.isInteger(queueMax) && queueMax >= 1, "queueMax", "a whole number of at least 1", queueMax);
  check(Buffer.byteLength(version) <= textBytesMax, "version", `at most ${textBytesMax} bytes`, version);
  const methods = new Map(Object.entries(definition.methods ?? {}).map(([key, value]) => [key, toMethod(key, value)]));
  check(methods.size > 0 || raw !== undefined, "methods", "at least one method, or `raw`", "none");
  return { name, version, methods, raw, concurrency, queueMax };
}

function toMethod(name: string, value: AnyMethod): Method {
  check(/^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/.test(name), "methods", "a name of letters, digits, `_`, `-` and `.`", name);
  const definition: AnyMethodDefinition = typeof value === "function" ? { handler: value } : value;
  check(typeof definition.handler === "function", `methods.${name}`, "a function or { handler }", typeof value);
  return {
    name,
    handler: definition.handler as Method["handler"],
    input: definition.input,
    output: definition.output,
    trust: definition.trust ?? "external",
    idempotent: definition.idempotent ?? false,
    keyed: definition.keyed ?? false,
  };
}

function check(holds: boolean, field: string, expected: string, got: unknown): asserts holds {
  if (!holds)
    throw new WherryError(`service ${field}: expected ${expected}, got ${JSON.stringify(got)}`, {
      code: "SERVICE_DEFINITION_INVALID",
      details: { field },
    });
}
