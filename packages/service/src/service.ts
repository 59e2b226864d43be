// What a service is: a name, and plain functions. Data and types; what is written wrong is found in define.ts, and nothing runs here.
import {
  type Contract,
  type ContractHandlers,
  type ContractMethods,
  type ContractTopics,
  type ErrorContracts,
  type ErrorMaker,
} from "./contract.ts";
import type { KeyStore } from "./dedupe/types.ts";
import { define, defineByContract, type HandlerOfContract } from "./define.ts";
import type { HttpRoutes } from "./http/route.ts";
import type { Log } from "./log/types.ts";
import type { Codec } from "./protocol/content.ts";
import type { Schema, SchemaInput, SchemaOutput } from "./schema.ts";
import type { AnyStreamDefinition, BothDefinition, InDefinition, OutDefinition, StreamKind } from "./stream/types.ts";
import type { PublishOptions, Published, Topics } from "./topic.ts";

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
  /** Who the caller has proven to be, with `curve`: its public key, 40 characters of Z85. Undefined: it has proven nothing. */
  readonly userId: string | undefined;
  /** W3C `traceparent` of this request itself: calls that carry it are its children. There always is one. */
  readonly trace: string;
  /** W3C `tracestate` of the caller; empty for none. */
  readonly traceState: string;
  /** Where the request came from: `tcp://127.0.0.1:53211`. */
  readonly peer: string;
  readonly log: Log;
  /** For middleware, to hand things to the handler. */
  readonly state: RequestState;
  /** Makes an error to throw, one that the method's contract names: `throw context.error("SOLD_OUT", "…", { left: 2 })`. */
  readonly error: ErrorMaker<Errors>;
  /**
   * Publishes an event to all who are subscribed to this pod now, at most once.
   * @throws WherryError SERVICE_EVENT_INVALID for a topic that the service has not, or an event that it doesn't take: a bug.
   */
  readonly publish: (topic: string, event: unknown, options?: PublishOptions) => Published;
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

/**
 * What somebody wants: to call `method`, or open a stream of it; or, with one of the names of the framework, which begin with `$`, to
 * subscribe to a topic (`$subscribe`), or to be told of the service (`$describe`, `$openapi`, `$stats`).
 */
export interface AuthorizeRequest extends RequestContext {
  /** Of `$subscribe`: which one. */
  readonly topic?: string | undefined;
}

/** May this caller do that? A text is a no that says why. */
export type Authorize = (request: AuthorizeRequest) => boolean | string | Promise<boolean | string>;

/** What a raw handler is told beside the frames. */
export interface RawContext {
  readonly peer: string;
  readonly log: Log;
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

/** What is promised about a handler. */
export interface MethodPromises {
  /**
   * Who calls: an invalid body from `external` is answered INVALID; from `internal` it is a bug in our own system, and
   * crashes. Default `external`.
   */
  readonly trust?: "internal" | "external";
  /** Running it twice is the same as once: a client may repeat a call whose fate is unknown. Default false. */
  readonly idempotent?: boolean;
  /**
   * A client may repeat a call that has a key: the service's `dedupe` store sees to it that it is executed once; without one the handler
   * does, by `context.key`. Default false; true if `durable`.
   */
  readonly keyed?: boolean;
  /**
   * Calls go through a broker: one resolves to a `DurableReceipt` when the broker has stored it, whether or not a pod lives, and
   * the handler runs later, at least once. Default false.
   */
  readonly durable?: boolean | DurableOptions;
  /**
   * Where the method is found over HTTP, in place of `POST /<name>`: `"GET /stock/{item}"`, or several. False: nowhere.
   * Methods that trust their callers as `internal` are nowhere unless this says where. Streams that take items have an
   * address of POST, PUT or PATCH, without parameters.
   */
  readonly http?: HttpRoutes;
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

/**
 * A handler with what is promised about it. `Sent` is what callers send and `Got` what they get: with schemas that transform, not
 * the same as what the handler gets and returns.
 */
export interface MethodDefinition<Input = never, Output = unknown, Sent = Input, Got = Awaited<Output>>
  extends MethodPromises {
  /** Not a stream: one body in, one reply out. */
  readonly stream?: never;
  readonly handler: Handler<Input, Output>;
  /** Validates the body before the handler sees it. */
  readonly input?: Schema<Input, Sent>;
  /** Validates the reply; one that fails is a bug of the handler. */
  readonly output?: Schema<Got, Awaited<Output>>;
}

/** What a method may be written as. */
export type AnyMethod = Handler | AnyMethodDefinition | AnyStreamDefinition;
/** A `MethodDefinition` of any types. */
export interface AnyMethodDefinition extends MethodPromises {
  readonly stream?: never;
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
  /**
   * Asked before every call and stream, before its body is looked at, before every subscription to a topic, and before the service tells
   * of itself. False is answered FORBIDDEN, or UNAUTHORIZED to a caller that has not proven who it is; so is a text, which says why. A
   * durable call is asked about when it is stored, not when it is run. Default: everyone may.
   */
  readonly authorize?: Authorize;
  /** In place of JSON, for clients that have it, too, in calls, streams and events; the others' are JSON. Default: the contract's, else none. */
  readonly codec?: Codec;
  /** Around every handler, its schemas included; the first is the outermost. Default: none. */
  readonly use?: readonly Middleware[];
  /**
   * Where the calls of `keyed` methods are kept by their keys, so that each is executed once: `memoryStore()` or `sqliteStore(file)` of
   * `@wherry/service/dedupe`; durable ones, too. Default: none, and their handlers deduplicate themselves.
   */
  readonly dedupe?: KeyStore;
  /** `currentContext()` knows the request, and nested calls inherit from it. Default true. */
  readonly ambient?: boolean;
  /** Streams that run at the same time, beside the requests, before the next is answered BUSY. Default 100. */
  readonly streamsMax?: number;
}

export interface ServiceDefinition<M extends Methods = Methods, T extends Topics = Topics> extends ServiceOptions {
  readonly methods?: M;
  /** What it publishes events of, each with the schema of its events. */
  readonly topics?: T;
  /** Shown to clients and in logs. */
  readonly version?: string;
}

/** A method as the server runs it. */
export interface Method extends Required<Pick<MethodDefinition, "trust" | "idempotent" | "keyed">> {
  readonly name: string;
  /** Undefined: one request, one reply. */
  readonly stream: StreamKind | undefined;
  /** Of a stream: it never ends by itself. */
  readonly endless: boolean;
  /** Of a stream `out`: it can go on where another one broke off. */
  readonly resumable: boolean;
  /** A stream's gets a `StreamContext`. */
  readonly handler: (body: unknown, context: RequestContext) => unknown;
  readonly input: Schema | undefined;
  readonly output: Schema | undefined;
  /** The errors that callers must expect, by code. */
  readonly errors: ErrorContracts;
  /** Undefined: its calls don't go through a broker. */
  readonly durable: Required<DurableOptions> | undefined;
  /** Where it is found over HTTP; undefined: by its name. */
  readonly http: HttpRoutes | undefined;
}

export interface Service<M extends Methods = Methods, T extends Topics = Topics> {
  readonly name: string;
  readonly version: string;
  readonly methods: ReadonlyMap<string, Method>;
  readonly topics: ReadonlyMap<string, Schema>;
  readonly raw: RawHandler | undefined;
  readonly concurrency: number;
  readonly queueMax: number;
  readonly codec: Codec | undefined;
  readonly authorize: Authorize | undefined;
  readonly use: readonly Middleware[];
  readonly dedupe: KeyStore | undefined;
  readonly ambient: boolean;
  readonly streamsMax: number;
  /** Never there at run time: carry the methods' and topics' types to the client. */
  readonly types?: M;
  readonly topicTypes?: T;
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

/** The topics of a contract, or of a `Service` type. */
export type TopicsOf<S> = S extends Contract
  ? ContractTopics<S>
  : S extends { readonly topicTypes?: infer T }
    ? Extract<T, Topics>
    : never;

/**
 * Gives a method with a schema its body's type: `method({ input: schema, handler: (body) => … })`; with `stream`, a stream its items':
 * `method({ stream: "out", async *handler({ from }: { from: number }) { yield from; } })`.
 */
export function method<Input, Output, Sent = Input, Got = Awaited<Output>>(
  definition: MethodDefinition<Input, Output, Sent, Got> & Durable,
): MethodDefinition<NoInfer<Input>, NoInfer<Output>, NoInfer<Sent>, NoInfer<Got>> & Durable;
export function method<Input, Output, Sent = Input, Got = Awaited<Output>>(
  definition: MethodDefinition<Input, Output, Sent, Got>,
): MethodDefinition<NoInfer<Input>, NoInfer<Output>, NoInfer<Sent>, NoInfer<Got>>;
export function method<Input, Item, Reply, Sent = Input, Got = Item>(
  definition: OutDefinition<Input, Item, Reply, Sent, Got>,
): OutDefinition<Input, Item, Reply, NoInfer<Sent>, NoInfer<Got>>;
export function method<Item, Reply, Sent = Item, Got = Awaited<Reply>>(
  definition: InDefinition<Item, Reply, Sent, Got>,
): InDefinition<Item, Reply, NoInfer<Sent>, NoInfer<Got>>;
export function method<ItemIn, ItemOut, Reply, Sent = ItemIn, Got = ItemOut>(
  definition: BothDefinition<ItemIn, ItemOut, Reply, Sent, Got>,
): BothDefinition<ItemIn, ItemOut, Reply, NoInfer<Sent>, NoInfer<Got>>;
export function method(definition: unknown): unknown {
  return definition;
}

/**
 * Defines a service: by a name and its methods, or by a contract and a handler for each of its methods.
 * @param name as in DNS: lower case letters, digits and `-`, at most 63.
 * @throws WherryError SERVICE_DEFINITION_INVALID
 * @example service("echo", { methods: { echo: (body: unknown) => body }, raw: (frames) => frames })
 * @example service(shop, { buy: ({ count }) => (left -= count), stock: () => left })
 */
// eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- a service without topics has none to subscribe to
export function service<const M extends Methods, const T extends Topics = Record<never, never>>(
  name: string,
  definition: ServiceDefinition<M, T>,
): Service<M, T>;
export function service<const C extends Contract>(
  contract: C,
  handlers: ContractHandlers<C>,
  options?: ServiceOptions,
): Service<ContractMethods<C>, ContractTopics<C>>;
export function service(
  what: string | Contract,
  given: ServiceDefinition | Readonly<Record<string, HandlerOfContract>>,
  options: ServiceOptions = {},
): Service {
  try {
    return typeof what === "string"
      ? define(what, given, {})
      : defineByContract(what, given as Readonly<Record<string, HandlerOfContract>>, options);
  } catch (error) {
    // Whose mistake it is, comes first: the line that defines the service.
    if (error instanceof Error) Error.captureStackTrace(error, service);
    throw error;
  }
}
