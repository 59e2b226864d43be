// What a service is: a name, and methods. Data and types; define.ts makes one of what a user writes, and nothing runs here.
import type { Contract, ContractMethods, ContractTopics } from "./contract.ts";
import type { KeyStore } from "./dedupe/types.ts";
import type { Authorize, Handler, Middleware, RawHandler, RequestContext } from "./handler.ts";
import type { HttpRoutes } from "./http/route.ts";
import type { AnyMethodDefinition, DurableOptions, MethodDefinition } from "./method.ts";
import type { ErrorContracts } from "./method-errors.ts";
import type { Codec } from "./protocol/content.ts";
import type { Schema } from "./schema.ts";
import type { AnyStreamDefinition, StreamKind } from "./stream/types.ts";
import type { Topics } from "./topic.ts";

/** What a method may be written as. */
export type AnyMethod = Handler | AnyMethodDefinition | AnyStreamDefinition;
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

/** The methods of a contract, of a `Service` type, or those written down directly. */
export type MethodsOf<S> = S extends Contract
  ? ContractMethods<S>
  : S extends { readonly types?: infer M }
    ? Extract<M, Methods>
    : never;

/** The topics of a contract, or of a `Service` type. */
export type TopicsOf<S> = S extends Contract
  ? ContractTopics<S>
  : S extends { readonly topicTypes?: infer T }
    ? Extract<T, Topics>
    : never;
