// What a service and its clients agree on, as a plain object that both import: names, schemas, errors, promises. It holds no code of
// either side, and nothing is generated from it: the types of handlers and of clients follow from it.
import { ServiceError } from "./errors.ts";
import type { HttpRoutes } from "./http/route.ts";
import { type FrameworkCode, frameworkCodes } from "./protocol/codes.ts";
import type { Codec } from "./protocol/content.ts";
import type { Schema, SchemaInput, SchemaOutput } from "./schema.ts";
import type { Handler } from "./handler.ts";
import type { DurableOptions, MethodDefinition } from "./method.ts";
import type { ErrorContracts } from "./method-errors.ts";
import type {
  BothDefinition,
  InDefinition,
  ItemsOut,
  OutDefinition,
  StreamContext,
  StreamKind,
} from "./stream/types.ts";
import type { Topics } from "./topic.ts";

/**
 * A service's contract. Write it with `satisfies`, so that its own types stay:
 * @example
 * export const shop = {
 *   name: "shop",
 *   version: "1.4.0",
 *   methods: {
 *     buy: { input: z.object({ count: z.number() }), output: z.number(), errors: { SOLD_OUT: z.object({ left: z.number() }) } },
 *     stock: { output: z.number(), idempotent: true },
 *   },
 * } satisfies Contract;
 */
export interface Contract {
  /** The Kubernetes Service's: a DNS label. */
  readonly name: string;
  readonly version?: string;
  readonly methods: Readonly<Record<string, MethodContract>>;
  /** What it publishes events of, each with the schema of its events. */
  readonly topics?: Topics;
  /** In place of JSON, for calls, streams and events. Default: none. */
  readonly codec?: Codec;
}

/** What is agreed on for one method. */
export interface MethodContract {
  /** What a caller sends; the handler gets what the schema makes of it. Without it the method takes no body. */
  readonly input?: Schema;
  /** What the handler returns; the caller gets what the schema makes of it. Without it, anything, and the caller knows nothing of its type. */
  readonly output?: Schema;
  /** Codes of the errors that a caller must expect, with the schema of their details, or null for none. */
  readonly errors?: ErrorContracts;
  /** See `MethodDefinition`. */
  readonly idempotent?: boolean;
  readonly keyed?: boolean;
  readonly durable?: boolean | DurableOptions;
  /** A stream: `input` of `in` and `both`, and `output` of `out` and `both`, are those of each item. */
  readonly stream?: StreamKind;
  /** Of a stream: it never ends by itself; see `OutDefinition`. */
  readonly endless?: boolean;
  readonly resumable?: boolean;
  readonly http?: HttpRoutes;
}

/** What the handler of a method gets as its body. */
type BodyOf<M extends MethodContract> = M extends { readonly input: infer S extends Schema }
  ? SchemaOutput<S>
  : undefined;
/** What its caller sends. */
type SentOf<M extends MethodContract> = M extends { readonly input: infer S extends Schema }
  ? SchemaInput<S>
  : undefined;
/** What the handler returns. */
type ReplyOf<M extends MethodContract> = M extends { readonly output: infer S extends Schema }
  ? SchemaInput<S>
  : unknown;
/** What its caller gets. */
type GotOf<M extends MethodContract> = M extends { readonly output: infer S extends Schema }
  ? SchemaOutput<S>
  : unknown;
// A method without errors has none to make, a service without topics none to subscribe to: no key at all.
// eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- that is what an empty object type says
type Nothing = Record<never, never>;
type ErrorsOf<M extends MethodContract> = M extends { readonly errors: infer E extends ErrorContracts } ? E : Nothing;

/** The handler of a method of a contract; its context makes the contract's errors: `throw context.error("SOLD_OUT", …)`. */
export type ContractHandler<M extends MethodContract> = M extends { readonly stream: "out" }
  ? (body: BodyOf<M>, context: StreamContext<ErrorsOf<M>>) => ItemsOut<ReplyOf<M>>
  : M extends { readonly stream: "in" }
    ? (items: AsyncIterableIterator<BodyOf<M>>, context: StreamContext<ErrorsOf<M>>) => ReplyOf<M> | Promise<ReplyOf<M>>
    : M extends { readonly stream: "both" }
      ? (items: AsyncIterableIterator<BodyOf<M>>, context: StreamContext<ErrorsOf<M>>) => ItemsOut<ReplyOf<M>>
      : Handler<BodyOf<M>, ReplyOf<M>, ErrorsOf<M>>;

/** One handler for each method of a contract: a function, or an object that adds what only the service's side decides. */
export type ContractHandlers<C extends Contract> = {
  readonly [Name in keyof C["methods"]]:
    | ContractHandler<C["methods"][Name]>
    | (Pick<MethodDefinition, "trust"> & { readonly handler: ContractHandler<C["methods"][Name]> });
};

/** The methods of a contract, as those of a service. */
export type ContractMethods<C extends Contract> = {
  readonly [Name in keyof C["methods"]]: AsMethod<C["methods"][Name]>;
};

type AsMethod<M extends MethodContract> = M extends { readonly stream: "out" }
  ? OutDefinition<BodyOf<M>, ReplyOf<M>, unknown, SentOf<M>, GotOf<M>>
  : M extends { readonly stream: "in" }
    ? InDefinition<BodyOf<M>, ReplyOf<M>, SentOf<M>, GotOf<M>>
    : M extends { readonly stream: "both" }
      ? BothDefinition<BodyOf<M>, ReplyOf<M>, unknown, SentOf<M>, GotOf<M>>
      : MethodDefinition<BodyOf<M>, ReplyOf<M>, SentOf<M>, GotOf<M>> & Pick<M, "durable" & keyof M>;

/** The topics of a contract. */
export type ContractTopics<C extends Contract> = C extends { readonly topics: infer T extends Topics } ? T : Nothing;

/** A `ServiceError` whose code and details are known. */
export interface TypedError<Code extends string, Details> extends Omit<ServiceError, "code" | "details"> {
  readonly code: Code;
  readonly details: Details;
}

/** The errors that a call of a method may reject with: the contract's, and the framework's. Its `code` tells them apart. */
export type MethodError<M extends MethodContract> =
  | { [Code in keyof ErrorsOf<M> & string]: TypedError<Code, DetailsOf<ErrorsOf<M>[Code]>> }[keyof ErrorsOf<M> & string]
  | TypedError<FrameworkCode, ServiceError["details"]>;
type DetailsOf<S> = S extends Schema ? SchemaOutput<S> : ServiceError["details"];

/**
 * Whether a call failed with one of the errors that its contract, or the framework, names. Details are what the contract says: an
 * error whose details are not is none of it. Their schemas must be synchronous.
 * @example if (isErrorOf(shop.methods.buy, error) && error.code === "SOLD_OUT") console.log(error.details.left);
 */
export function isErrorOf<const M extends MethodContract>(method: M, error: unknown): error is MethodError<M> {
  if (!ServiceError.is(error)) return false;
  const { errors = {} } = method;
  if (!Object.hasOwn(errors, error.code)) return Object.hasOwn(frameworkCodes, error.code);
  const schema = errors[error.code];
  if (schema === undefined || schema === null) return true;
  const result = schema["~standard"].validate(error.details);
  return !(result instanceof Promise) && result.issues === undefined;
}

/** The schema of a method that takes no body: nothing, or JSON's null, which some clients send for nothing. */
export const noBody: Schema<undefined> = {
  "~standard": {
    version: 1,
    vendor: "wherry",
    validate: (value) =>
      value === undefined || value === null
        ? { value: undefined }
        : { issues: [{ message: `expected none, got a value of type ${typeof value}` }] },
  },
};
