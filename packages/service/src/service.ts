// What a service is: a name, and plain functions. Data and types only; nothing runs here.
import { type Logger, WherryError } from "@wherry/core";
import {
  type Contract,
  type ContractHandlers,
  type ContractMethods,
  type ErrorContracts,
  type ErrorMaker,
  noBody,
} from "./contract.ts";
import {
  maxRunMsDefault,
  redeliveriesMax as mostRedeliveries,
  queueRequestsMaxDefault,
  redeliveriesMaxDefault,
  textBytesMax,
} from "./limits.ts";
import { codePattern, frameworkCodes } from "./protocol/codes.ts";
import type { Schema, SchemaInput, SchemaOutput } from "./schema.ts";

/** What a handler is told beside the body. */
export interface RequestContext<Errors extends ErrorContracts = ErrorContracts> {
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
  /** For middleware, to hand things to the handler. */
  readonly state: RequestState;
  /** Makes an error to throw, one that the method's contract names: `throw context.error("SOLD_OUT", "…", { left: 2 })`. */
  readonly error: ErrorMaker<Errors>;
}

/**
 * What a service's middleware hands to its handlers, as `context.state`. Declare it where you set it:
 * @example declare module "@wherry/service" { interface RequestState { user?: User } }
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- it is there to be extended by declarations
export interface RequestState {}

/** A request as middleware sees it. */
export interface IncomingRequest {
  readonly service: string;
  readonly method: string;
  /** As it came: `input` has not seen it. */
  readonly body: unknown;
  readonly context: RequestContext;
}

/**
 * Stands around every handler of a service: may look at the request, answer it without `next`, time it, or throw a `ServiceError`. `next`
 * runs what is inside, on another body if it is given one, and resolves to the reply; it is called at most once.
 * @example async ({ method }, next) => { const start = performance.now(); try { return await next(); } finally { time(method, start); } }
 */
export type Middleware = (
  request: IncomingRequest,
  next: (changed?: Partial<Pick<IncomingRequest, "body">>) => Promise<unknown>,
) => unknown;

/** What a raw handler is told beside the frames. */
export interface RawContext {
  readonly peer: string;
  readonly log: Logger;
}

/** A plain function; what it returns is the reply. Throw a `ServiceError` for what the caller must handle. */
export type Handler<Input = never, Output = unknown, Errors extends ErrorContracts = ErrorContracts> = (
  body: Input,
  context: RequestContext<Errors>,
) => Output | Promise<Output>;

/**
 * Gets the messages of plain ZeroMQ peers, without the empty delimiter that REQ sends; what it returns goes back, undefined
 * nothing. The frames may be views of a larger buffer: copy what outlives the handler.
 */
export type RawHandler = (frames: readonly Uint8Array[], context: RawContext) => RawReply | Promise<RawReply>;
export type RawReply = string | Uint8Array | readonly (string | Uint8Array)[] | undefined;

/**
 * A handler with what is promised about it. `Sent` is what callers send and `Got` what they get: with schemas that transform, not
 * the same as what the handler gets and returns.
 */
export interface MethodDefinition<Input = never, Output = unknown, Sent = Input, Got = Awaited<Output>> {
  readonly handler: Handler<Input, Output>;
  /** Validates the body before the handler sees it. */
  readonly input?: Schema<Input, Sent>;
  /** Validates the reply; one that fails is a bug of the handler. */
  readonly output?: Schema<Got, Awaited<Output>>;
  /**
   * Who calls: an invalid body from `external` is answered INVALID; from `internal` it is a bug in our own system, and
   * crashes. Default `external`.
   */
  readonly trust?: "internal" | "external";
  /** Running it twice is the same as once: a client may repeat a call whose fate is unknown. Default false. */
  readonly idempotent?: boolean;
  /** The handler deduplicates by `context.key`: a client may repeat a call that has a key. Default false; true if `durable`. */
  readonly keyed?: boolean;
  /**
   * Calls go through a broker: one resolves to a `DurableReceipt` when the broker has stored it, whether or not a pod lives, and
   * the handler runs later, at least once. Default false.
   */
  readonly durable?: boolean | DurableOptions;
}

/** How a durable method's messages are run. */
export interface DurableOptions {
  /** Deliveries after the first, until a message that keeps failing is a dead letter. Default 5. */
  readonly redeliveriesMax?: number;
  /** Milliseconds after which `context.signal` aborts. Default 10 minutes. */
  readonly maxRunMs?: number;
}

/** What a call of a durable method resolves to: the broker has it on its disk. */
export interface DurableReceipt {
  /** The message's name at the broker, for people and logs. */
  readonly id: string;
  /** True: a call with the same key is stored already, and this one was not. Always false with Kafka, whose consumers find out. */
  readonly duplicate: boolean;
}

/** What a method may be written as. */
export type AnyMethod = Handler | AnyMethodDefinition;
/** A `MethodDefinition` of any types. */
export interface AnyMethodDefinition extends Pick<MethodDefinition, "trust" | "idempotent" | "keyed" | "durable"> {
  readonly handler: Handler;
  readonly input?: Schema;
  readonly output?: Schema;
}
export type Methods = Readonly<Record<string, AnyMethod>>;

/** What a service decides beside its methods. */
export interface ServiceOptions {
  readonly raw?: RawHandler;
  /** Requests that run at the same time. Default 1: strictly one after the other. */
  readonly concurrency?: number;
  /** Requests that wait for a slot before the next is answered BUSY. Default 1000. */
  readonly queueMax?: number;
  /** Around every handler, its schemas included; the first is the outermost. Default: none. */
  readonly use?: readonly Middleware[];
  /** `currentContext()` knows the request, and nested calls inherit from it. Default true. */
  readonly ambient?: boolean;
}

export interface ServiceDefinition<M extends Methods = Methods> extends ServiceOptions {
  readonly methods?: M;
  /** Shown to clients and in logs. */
  readonly version?: string;
}

/** A method as the server runs it. */
export interface Method extends Required<Pick<MethodDefinition, "trust" | "idempotent" | "keyed">> {
  readonly name: string;
  readonly handler: (body: unknown, context: RequestContext) => unknown;
  readonly input: Schema | undefined;
  readonly output: Schema | undefined;
  /** The errors that callers must expect, by code. */
  readonly errors: ErrorContracts;
  /** Undefined: its calls don't go through a broker. */
  readonly durable: Required<DurableOptions> | undefined;
}

export interface Service<M extends Methods = Methods> {
  readonly name: string;
  readonly version: string;
  readonly methods: ReadonlyMap<string, Method>;
  readonly raw: RawHandler | undefined;
  readonly concurrency: number;
  readonly queueMax: number;
  readonly use: readonly Middleware[];
  readonly ambient: boolean;
  /** Never there at run time: carries the methods' types to the client. */
  readonly types?: M;
}

/** The body that callers of a method send. */
export type InputOf<T> = T extends (body: infer Body, ...rest: never[]) => unknown
  ? Body
  : T extends { readonly input?: infer S extends Schema }
    ? SchemaInput<S>
    : T extends { readonly handler: (body: infer Body, ...rest: never[]) => unknown }
      ? Body
      : never;

/** What a call of a method resolves to. */
export type OutputOf<T> = T extends Durable
  ? DurableReceipt
  : T extends (...args: never[]) => infer Reply
    ? Awaited<Reply>
    : T extends { readonly output?: infer S extends Schema }
      ? SchemaOutput<S>
      : T extends { readonly handler: (...args: never[]) => infer Reply }
        ? Awaited<Reply>
        : never;

/** The methods of a contract, of a `Service` type, or those written down directly. */
export type MethodsOf<S> = S extends Contract
  ? ContractMethods<S>
  : S extends { readonly types?: infer M }
    ? Extract<M, Methods>
    : never;

/** A method whose calls go through a broker. */
export interface Durable {
  readonly durable: true | DurableOptions;
}

/** Gives a method with a schema its body's type: `method({ input: schema, handler: (body) => … })`. */
export function method<Input, Output, Sent = Input, Got = Awaited<Output>>(
  definition: MethodDefinition<Input, Output, Sent, Got> & Durable,
): MethodDefinition<Input, Output, NoInfer<Sent>, NoInfer<Got>> & Durable;
export function method<Input, Output, Sent = Input, Got = Awaited<Output>>(
  definition: MethodDefinition<Input, Output, Sent, Got>,
): MethodDefinition<Input, Output, NoInfer<Sent>, NoInfer<Got>>;
export function method(definition: AnyMethodDefinition): AnyMethodDefinition {
  return definition;
}

/**
 * Defines a service: by a name and its methods, or by a contract and a handler for each of its methods.
 * @param name as in DNS: lower case letters, digits and `-`, at most 63.
 * @throws WherryError SERVICE_DEFINITION_INVALID
 * @example service("echo", { methods: { echo: (body: unknown) => body }, raw: (frames) => frames })
 * @example service(shop, { buy: ({ count }) => (left -= count), stock: () => left })
 */
export function service<const M extends Methods>(name: string, definition: ServiceDefinition<M>): Service<M>;
export function service<const C extends Contract>(
  contract: C,
  handlers: ContractHandlers<C>,
  options?: ServiceOptions,
): Service<ContractMethods<C>>;
export function service(
  what: string | Contract,
  given: ServiceDefinition | Readonly<Record<string, HandlerOfContract>>,
  options: ServiceOptions = {},
): Service {
  if (typeof what === "string") return define(what, given, {});
  const handlers = given as Readonly<Record<string, HandlerOfContract>>;
  const { name, version = "" } = what;
  const [expected, got] = [Object.keys(what.methods), Object.keys(handlers)];
  const missing = expected.filter((key) => !got.includes(key));
  const extra = got.filter((key) => !expected.includes(key));
  check(missing.length === 0, "handlers", "one for each method of the contract", `none for ${missing.join(", ")}`);
  check(extra.length === 0, "handlers", "none but the contract's methods", extra.join(", "));
  const methods = Object.entries(what.methods).map(([key, { input = noBody, output, ...promises }]) => {
    const handler = handlers[key];
    const side = typeof handler === "function" ? { handler } : handler;
    return [key, { ...promises, ...side, input, output }] as const;
  });
  const errors = Object.entries(what.methods).map(([key, method]) => [key, method.errors ?? {}] as const);
  const definition = { ...options, version, methods: Object.fromEntries(methods) as Methods };
  return define(name, definition, Object.fromEntries(errors));
}

type HandlerOfContract = Handler | (Pick<MethodDefinition, "trust"> & { readonly handler: Handler });

function define(
  name: string,
  definition: ServiceDefinition,
  errors: Readonly<Record<string, ErrorContracts>>,
): Service {
  check(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name), "name", "a DNS label such as `echo`", name);
  const {
    concurrency = 1,
    queueMax = queueRequestsMaxDefault,
    version = "",
    raw,
    use = [],
    ambient = true,
  } = definition;
  check(Number.isInteger(concurrency) && concurrency >= 1, "concurrency", "a whole number of at least 1", concurrency);
  check(Number.isInteger(queueMax) && queueMax >= 1, "queueMax", "a whole number of at least 1", queueMax);
  check(Buffer.byteLength(version) <= textBytesMax, "version", `at most ${textBytesMax} bytes`, version);
  const methods = new Map(
    Object.entries(definition.methods ?? {}).map(([key, value]) => [key, toMethod(key, value, errors[key] ?? {})]),
  );
  check(methods.size > 0 || raw !== undefined, "methods", "at least one method, or `raw`", "none");
  return { name, version, methods, raw, concurrency, queueMax, use, ambient };
}

function toMethod(name: string, value: AnyMethod, errors: ErrorContracts): Method {
  check(/^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/.test(name), "methods", "a name of letters, digits, `_`, `-` and `.`", name);
  const definition: AnyMethodDefinition = typeof value === "function" ? { handler: value } : value;
  check(typeof definition.handler === "function", `methods.${name}`, "a function or { handler }", typeof value);
  for (const code of Object.keys(errors)) {
    const own = codePattern.test(code) && !Object.hasOwn(frameworkCodes, code);
    check(own, `methods.${name}.errors`, "codes in upper case that are none of the framework's", code);
  }
  const durable = toDurable(name, definition.durable ?? false);
  return {
    name,
    handler: definition.handler as Method["handler"],
    input: definition.input,
    output: definition.output,
    errors,
    trust: definition.trust ?? "external",
    idempotent: definition.idempotent ?? false,
    // The broker deduplicates by the key, so that a call that may have been stored can be made again.
    keyed: definition.keyed ?? durable !== undefined,
    durable,
  };
}

function toDurable(name: string, value: boolean | DurableOptions): Required<DurableOptions> | undefined {
  if (value === false) return undefined;
  const { redeliveriesMax = redeliveriesMaxDefault, maxRunMs = maxRunMsDefault } = value === true ? {} : value;
  const whole = Number.isInteger(redeliveriesMax) && redeliveriesMax >= 0 && redeliveriesMax <= mostRedeliveries;
  check(
    whole,
    `methods.${name}.durable.redeliveriesMax`,
    `a whole number from 0 to ${mostRedeliveries}`,
    redeliveriesMax,
  );
  check(maxRunMs > 0, `methods.${name}.durable.maxRunMs`, "a number of milliseconds above 0", maxRunMs);
  return { redeliveriesMax, maxRunMs };
}

function check(holds: boolean, field: string, expected: string, got: unknown): asserts holds {
  if (!holds)
    throw new WherryError(`service ${field}: expected ${expected}, got ${JSON.stringify(got)}`, {
      code: "SERVICE_DEFINITION_INVALID",
      details: { field },
    });
}
