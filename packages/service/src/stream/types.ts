// Methods that stream, as a service declares them and as a client sees them. Types only.
import type { ErrorContracts } from "../method-errors.ts";
import type { Schema, SchemaInput, SchemaOutput } from "../schema.ts";
import type { InputOf, MethodPromises } from "../method.ts";
import type { RequestContext } from "../handler.ts";

/** Which way a method's items go: `out` of the service, `in`to it, or `both`. */
export type StreamKind = "out" | "in" | "both";

/** What a handler of a stream is told beside the argument or the items. `remainingMs` is `Infinity` without a deadline. */
export interface StreamContext<Errors extends ErrorContracts = ErrorContracts> extends RequestContext<Errors> {
  /** Aborts when the service is leaving: a stream that ends by itself then gives its client time to go elsewhere. */
  readonly leaving: AbortSignal;
  /**
   * Items that its client has got already, of a stream that broke off, by its own word: the id that an `EventSource` brings when it comes
   * again. Always 0 unless the method is `resumable`.
   */
  readonly after: number;
}

/** What a generator function returns; its return value is the stream's reply. */
export type ItemsOut<Item = unknown, Reply = unknown> = AsyncIterable<Item, Reply> | Iterable<Item, Reply>;

interface StreamPromises extends Omit<MethodPromises, "durable"> {
  /**
   * It never ends by itself, as a watch does: a leaving service stops it after the item in the making, and its client may open it
   * at another pod. Without it, the service waits for its end up to the drain's deadline. Default false.
   */
  readonly endless?: boolean;
  /**
   * Of `out`, over HTTP: it can go on where another one broke off, also at another pod. `context.after` says how many items its client has;
   * the first that it then yields is the next. Default false: it begins anew.
   */
  readonly resumable?: boolean;
}

/** One argument in, items out. `Sent` and `Got`: as callers see them; see `MethodDefinition`. */
export interface OutDefinition<Input = never, Item = unknown, Reply = unknown, Sent = Input, Got = Item>
  extends StreamPromises {
  readonly stream: "out";
  /** An `async function*`, or anything that returns an iterable. It is asked for the next item when the client can take it. */
  readonly handler: (body: Input, context: StreamContext) => ItemsOut<Item, Reply>;
  /** Validates the argument. */
  readonly input?: Schema<Input, Sent>;
  /** Validates each item, not the reply; one that fails is a bug. */
  readonly output?: Schema<Got, Item>;
}

/** Items in, one reply out. */
export interface InDefinition<Item = never, Reply = unknown, Sent = Item, Got = Awaited<Reply>> extends StreamPromises {
  readonly stream: "in";
  readonly handler: (items: AsyncIterableIterator<Item>, context: StreamContext) => Reply | Promise<Reply>;
  /** Validates each item. */
  readonly input?: Schema<Item, Sent>;
  /** Validates the reply; one that fails is a bug. */
  readonly output?: Schema<Got, Awaited<Reply>>;
}

/** Items in and items out at the same time. */
export interface BothDefinition<ItemIn = never, ItemOut = unknown, Reply = unknown, Sent = ItemIn, Got = ItemOut>
  extends StreamPromises {
  readonly stream: "both";
  readonly handler: (items: AsyncIterableIterator<ItemIn>, context: StreamContext) => ItemsOut<ItemOut, Reply>;
  /** Validates each item that comes in. */
  readonly input?: Schema<ItemIn, Sent>;
  /** Validates each item that goes out, not the reply; one that fails is a bug. */
  readonly output?: Schema<Got, ItemOut>;
}

/** A stream of any types. */
export interface AnyStreamDefinition extends StreamPromises {
  /** A stream lives with its connection: no broker keeps it. */
  readonly durable?: never;
  readonly stream: StreamKind;
  readonly handler: (input: never, context: StreamContext) => unknown;
  readonly input?: Schema;
  readonly output?: Schema;
}

/** `call` for a method that answers once. */
type KindOf<T> = T extends { readonly stream: infer Kind extends StreamKind } ? Kind : "call";

/** What a stream's client sends: the argument of `out`, each item of `in` and `both`. */
type SentTo<T> =
  KindOf<T> extends "out"
    ? InputOf<T>
    : T extends { readonly input?: infer S extends Schema }
      ? SchemaInput<S>
      : T extends { readonly handler: (items: AsyncIterableIterator<infer Item>, ...rest: never[]) => unknown }
        ? Item
        : never;

/** What a stream's handler returns. */
type MadeBy<T> = T extends { readonly handler: (...args: never[]) => infer Made } ? Made : never;

/** The items that come out of a stream; `never` for `in`. */
type ItemOf<T> =
  KindOf<T> extends "in"
    ? never
    : T extends { readonly output?: infer S extends Schema }
      ? SchemaOutput<S>
      : MadeBy<T> extends ItemsOut<infer Item>
        ? Item
        : never;

/** What a stream ends with: its handler's return value. */
type ReplyOf<T> =
  KindOf<T> extends "in"
    ? T extends { readonly output?: infer S extends Schema }
      ? SchemaOutput<S>
      : Awaited<MadeBy<T>>
    : MadeBy<T> extends ItemsOut<unknown, infer Reply>
      ? Awaited<Reply>
      : never;

/** The names of `M`'s methods of that kind; every name of a service of which nothing is known. */
export type NamesOf<
  M extends Readonly<Record<string, unknown>>,
  Kind extends StreamKind | "call",
> = string extends keyof M
  ? string
  : { [Name in keyof M & string]: KindOf<M[Name]> extends Kind ? Name : never }[keyof M & string];

export interface StreamOptions {
  /** Milliseconds from now until the stream's end. Default: none; only to be taken by a pod has the deadline of calls. */
  readonly deadlineMs?: number;
  /** Cancels the stream, also at the service. */
  readonly signal?: AbortSignal;
  /** An idempotency key, for the handler. At most 255 bytes. */
  readonly key?: string;
  /** W3C `traceparent`. Default: the parent's. */
  readonly trace?: string;
  /** The request in whose handler this stream is opened: its deadline, cancellation and trace hold here too. */
  readonly parent?: RequestContext | null;
}

/** A stream without items to read: `in`. */
export interface StreamHandle<Reply = unknown> extends AsyncDisposable {
  /**
   * The handler's reply. Rejects with a `ServiceError`: the handler's own, or one of the framework's; or with what the caller's own
   * iterable threw; never an unhandled rejection. Of a stream with items, it settles when the last has come: who reads none waits for ever.
   */
  readonly result: Promise<Reply>;
  /** Ends it at both sides: `result` and the reader of items reject with CANCELLED. After its end: nothing. */
  cancel(reason?: unknown): void;
}

/** A stream with items to read, once: `for await (const item of stream)`. Leaving the loop cancels it. */
export interface ItemStream<Item = unknown, Reply = unknown>
  extends StreamHandle<Reply>,
    AsyncIterableIterator<Item, undefined> {
  [Symbol.asyncIterator](): ItemStream<Item, Reply>;
  next(): Promise<IteratorResult<Item, undefined>>;
  return(): Promise<IteratorResult<Item, undefined>>;
}

/** What `client.stream(name)` gives; of a service of which nothing is known, a stream of anything. */
export type StreamOf<T> =
  KindOf<T> extends "call"
    ? ItemStream
    : KindOf<T> extends "in"
      ? StreamHandle<ReplyOf<T>>
      : ItemStream<ItemOf<T>, ReplyOf<T>>;

/** What `client.stream(name, …)` takes: the argument of `out`, or the items of `in` and `both`. */
export type StreamArguments<T> =
  KindOf<T> extends "call"
    ? [given?: unknown, options?: StreamOptions]
    : KindOf<T> extends "out"
      ? undefined extends SentTo<T>
        ? [body?: SentTo<T>, options?: StreamOptions]
        : [body: SentTo<T>, options?: StreamOptions]
      : [items: AsyncIterable<SentTo<T>> | Iterable<SentTo<T>>, options?: StreamOptions];
