// A method as it is written down: its handler with what is promised about it, and what its callers send and get by that. Types only.
import type { Handler } from "./handler.ts";
import type { HttpRoutes } from "./http/route.ts";
import type { Schema, SchemaInput, SchemaOutput } from "./schema.ts";

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

/** A `MethodDefinition` of any types. */
export interface AnyMethodDefinition extends MethodPromises {
  readonly stream?: never;
  readonly handler: Handler;
  readonly input?: Schema;
  readonly output?: Schema;
}
/** A method whose calls go through a broker. */
export interface Durable {
  readonly durable: true | DurableOptions;
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
