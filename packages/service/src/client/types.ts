// What the client side of a service promises to its caller.
import type { Clock, Logger, Random } from "@wherry/core";
import type { KubeClient } from "@wherry/kube/client";
import type { ServiceError } from "../errors.ts";
import type { ClientCurve } from "../curve/types.ts";
import type { Codec } from "../protocol/content.ts";
import type { Broker } from "../durable/types.ts";
import type { InputOf, OutputOf } from "../method.ts";
import type { Methods, MethodsOf, Service, TopicsOf } from "../service.ts";
import type { RequestContext } from "../handler.ts";
import type { NamesOf, StreamArguments, StreamKind, StreamOf } from "../stream/types.ts";
import type { EventsOf, SubscribeOptions, Subscription, Topics } from "../topic.ts";
import type { Discovery } from "./discovery.ts";
import type { DnsOptions } from "./dns.ts";

export interface ConnectOptions<S = Service<AnyMethods>> {
  /** Static endpoints, `tcp://127.0.0.1:5555`, instead of discovery. */
  readonly endpoints?: readonly string[];
  /**
   * Methods that go through a broker, by name; default: those of the contract. This client publishes their calls itself, whether or not a pod lives. Those that it
   * is not told of are stored by the pod that gets the call.
   */
  readonly durable?: readonly string[];
  /** Where those are stored: a URL, or a broker, which stays open. Default: `BROKER_URL`, else a file of the cluster. */
  readonly broker?: string | Broker;
  /** Where the endpoints are found instead of the EndpointSlices: `{ dns: "shop.default.svc" }`, or a finder of your own. */
  readonly discovery?: DnsOptions | Discovery;
  /** Where the Service is. Default: after the dot of `name.namespace`, else the pod's or the kubeconfig's own, else `default`. */
  readonly namespace?: string;
  /** The API to watch. Default: the pod's own, else KUBECONFIG's, else ~/.kube/config's, else Wherry's default cluster. */
  readonly kube?: KubeClient;
  /** Which port of the Service, by name. Default: `messaging` if there is one, else the first. */
  readonly port?: string;
  /** What the service calls itself, where the Kubernetes Service has another name: who says otherwise is not used. */
  readonly service?: string;
  /** Milliseconds a call may take, over all attempts, if it says nothing itself. Default 5000. */
  readonly deadlineMs?: number;
  /** Which endpoint gets the next call. Default `least-outstanding`. */
  readonly balance?: Balance;
  /**
   * How many of the ready endpoints this client uses when there are 100 or more; false: all. Which ones is its own choice by
   * rendezvous hashing, so that many clients together use all evenly. Default 20.
   */
  readonly subset?: number | false;
  readonly retry?: RetryOptions & {
    /** Repetitions and hedges of calls that may have been executed, as a share of all calls. Default 0.1. */
    readonly budgetRatio?: number;
  };
  /** For calls that may be repeated. Default: none. */
  readonly hedge?: HedgeOptions | false;
  /** A circuit breaker for each method. Default: none. */
  readonly breaker?: BreakerOptions | false;
  /** Which endpoints are ejected for a while. On by default; false: none. */
  readonly outliers?: OutlierOptions | false;
  /** Other defaults for some methods. */
  readonly methods?: { readonly [Name in keyof MethodsOf<S>]?: MethodOptions<OutputOf<MethodsOf<S>[Name]>> };
  /** What this client calls itself, for the service's log. Default: the pod's name. */
  readonly name?: string;
  /** Encrypts every connection, talks to the owner of `serverKey` only, and proves who this client is. Default: neither. */
  readonly curve?: ClientCurve;
  /** In place of JSON, for calls, streams and events; the service must have the same. Default: the contract's, else none. */
  readonly codec?: Codec;
  /** Around every call; the first is the outermost. Default: none. */
  readonly use?: readonly ClientMiddleware[];
  /**
   * With a contract: a body that its schema refuses fails here, with INVALID, and is not sent. Default false: the service checks it
   * anyway.
   */
  readonly checkBodies?: boolean;
  /** Microseconds after each message in which the event loop does not sleep: quicker answers, for a processor. Default 0. See `@wherry/zmtp`. */
  readonly busyPollUs?: number;
  readonly log?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * `least-outstanding`: the one with fewer unanswered calls of two taken at random. `latency`: the one of two that will answer
 * sooner, by its measured times and its unanswered calls. `round-robin` and `random` look at nothing but room.
 */
export type Balance = "least-outstanding" | "latency" | "round-robin" | "random";

/** What is true of the calls of one method, if they say nothing themselves. */
export interface MethodOptions<Output = unknown> {
  /** Milliseconds from now, over all attempts. */
  readonly deadlineMs?: number;
  /** Running a call twice is the same as once. Default: what the service says of the method. */
  readonly idempotent?: boolean;
  readonly retry?: RetryOptions;
  readonly hedge?: HedgeOptions | false;
  readonly breaker?: BreakerOptions | false;
  readonly fallback?: Fallback<Output>;
}

export interface CallOptions<Output = unknown> extends Omit<MethodOptions<Output>, "breaker"> {
  /** Milliseconds from now, over all attempts. */
  readonly deadlineMs?: number;
  /** Cancels the call, also at the service; the call rejects with CANCELLED, and the signal's reason as its cause. */
  readonly signal?: AbortSignal;
  /** Running this call twice is the same as once. Default: what the service says of the method. */
  readonly idempotent?: boolean;
  /** The same for every attempt of one logical call; methods declared `keyed` deduplicate by it. At most 255 bytes. */
  readonly key?: string;
  /** Calls with equal ones go to the same pod, while it is ready. */
  readonly affinity?: string;
  /** The one instance that the call is for: a pod's name or UID, or an address. Rejects with UNAVAILABLE if there is none. */
  readonly to?: string;
  /** How the call is repeated, beside the client's own rules. */
  readonly retry?: RetryOptions;
  /** A second attempt elsewhere when the first is slow, if the call may be repeated. */
  readonly hedge?: HedgeOptions | false;
  /** What the call resolves to when no answer came. */
  readonly fallback?: Fallback<Output>;
  /** W3C `traceparent`. Default: the parent's. */
  readonly trace?: string;
  /**
   * The request whose deadline, cancellation and trace hold here too; null for none. Default: `currentContext()`, the one in whose
   * handler this call is made.
   */
  readonly parent?: RequestContext | null;
}

/** A call as a client's middleware sees it. */
export interface OutgoingCall {
  readonly service: string;
  readonly method: string;
  readonly body: unknown;
  readonly options: CallOptions;
}

/**
 * Stands around every call of a client: may change it, answer it without `next`, time it, or handle its error. `next` makes the call,
 * changed where it is given something, with all retries; calling it twice makes two calls.
 * @example (call, next) => next({ options: { ...call.options, key: call.options.key ?? randomUUID() } })
 */
export type ClientMiddleware = (
  call: OutgoingCall,
  next: (changed?: Partial<Pick<OutgoingCall, "body" | "options">>) => Promise<unknown>,
) => unknown;

/**
 * Taken when a call has failed without an answer; never instead of an error that the method itself answered, nor when the caller
 * cancelled or the client was closed. A function may throw; its error is the call's then.
 */
export type Fallback<Output = unknown> = Output | ((error: ServiceError) => Output | Promise<Output>);

/** All within the call's one deadline. */
export interface RetryOptions {
  /** Attempts of one call, the first and hedges included. 1: it is never repeated. Default, and the most: 255. */
  readonly attempts?: number;
  /** Milliseconds until an attempt is given up and made elsewhere; only of calls that may be repeated. Default: the deadline. */
  readonly attemptTimeoutMs?: number;
  /** Milliseconds: the first pause when no other endpoint is at hand (10), doubling up to the longest (500). */
  readonly backoffFirstMs?: number;
  readonly backoffMaxMs?: number;
  /**
   * Pods that may end while they have this call, before it fails with ABORTED: 1 for each that says the call made its handler
   * throw, a half for each that died otherwise, for it may have died of another one. Default 2.
   */
  readonly crashes?: number;
}

/** When a call that may be repeated is sent a second time, though the first is still out. The first answer wins; the others are cancelled. */
export type HedgeOptions = {
  /** Further attempts. Default 1, at most 5. They count against the budget of repetitions. */
  readonly max?: number;
} & (
  | { /** Milliseconds without an answer. */ readonly afterMs: number }
  | {
      /** Longer than this percentage of the method's last answers took; nothing is hedged before there are 20. */
      readonly afterPercentile: number;
    }
);

/**
 * When most calls of a method fail for the infrastructure (ABORTED, DEADLINE_EXCEEDED, UNAVAILABLE), others fail at once with
 * CIRCUIT_OPEN, until one that is let through is answered.
 */
export interface BreakerOptions {
  /** Opens at this share of failures. Default 0.5. */
  readonly failureShare?: number;
  /** Calls in the window, below which it stays closed. Default 20. */
  readonly callsMin?: number;
  /** Milliseconds that it looks back. Default 10 000. */
  readonly windowMs?: number;
  /** Milliseconds until one call is let through. Default 2000. */
  readonly openMs?: number;
}

/** An endpoint that fails where others don't is avoided for a while, and comes back with one call at a time. */
export interface OutlierOptions {
  /** So many pods died or connections broke at it without an answer in between. Default 5. */
  readonly failures?: number;
  /** Or this share of its calls failed, of at least 20 in 10 s, and at most half that share elsewhere. Default 0.5. */
  readonly failureShare?: number;
  /** Milliseconds of the first ejection; each further one doubles, up to a minute. Default 1000. */
  readonly ejectMs?: number;
  /** At most this share of the endpoints is ejected, but always one of two or more. Default 0.5. */
  readonly ejectedShareMax?: number;
}

export type CircuitState = "closed" | "open" | "half-open";

/** Since the client was made. */
export interface ClientCounters {
  readonly calls: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Attempts that followed a failed one. */
  readonly retries: number;
  /** Attempts made while another one was out, and those of them whose answer came first. */
  readonly hedges: number;
  readonly hedgesWon: number;
  /** Attempts given up after `attemptTimeoutMs`. */
  readonly attemptTimeouts: number;
  /** Failed calls that resolved to a fallback; they count as failed too. */
  readonly fallbacks: number;
  /** Calls that failed with CIRCUIT_OPEN. */
  readonly rejected: number;
  /** The circuit of each called method, where there are breakers. */
  readonly circuits: Readonly<Record<string, CircuitState>>;
  /** Times that an endpoint was ejected, and how many are now. */
  readonly ejections: number;
  readonly ejected: number;
  /** Calls that wait for an endpoint with room. */
  readonly waiting: number;
  /** Endpoints known, those that this client uses, and those of them that take calls now. */
  readonly known: number;
  readonly endpoints: number;
  readonly available: number;
}

/** What every client has, whatever its service. */
export interface ClientBase<M extends Methods = Methods, T extends Topics = Topics> extends AsyncDisposable {
  /**
   * Calls a method and resolves to its result.
   * @throws ServiceError: the method's own, or one of the framework's (docs/reference/protocol.md); TypeError for a body
   * that JSON cannot hold; WherryError SERVICE_OPTION_INVALID.
   */
  call<Name extends NamesOf<M, "call">>(
    method: Name,
    ...rest: undefined extends InputOf<M[Name]>
      ? [body?: InputOf<M[Name]>, options?: CallOptions<OutputOf<M[Name]>>]
      : [body: InputOf<M[Name]>, options?: CallOptions<OutputOf<M[Name]>>]
  ): Promise<OutputOf<M[Name]>>;
  /**
   * Opens a stream at one pod. It has no deadline unless it is given one, and is never sent twice: a pod that is lost in the midst of
   * it is ABORTED, and the caller may open another.
   * @throws ServiceError from its items and its `result`; TypeError there for what JSON cannot hold.
   * @example for await (const change of client.stream("watch", { from: 1 })) console.log(change);
   */
  stream<Name extends NamesOf<M, StreamKind>>(method: Name, ...rest: StreamArguments<M[Name]>): StreamOf<M[Name]>;
  /**
   * Events of these topics from every pod, those that come later too: each at most once, and misses are told.
   * @example for await (const { event, missed } of client.subscribe("sold")) console.log(event, missed);
   */
  subscribe<Name extends keyof T & string>(
    topics: Name | readonly Name[],
    options?: SubscribeOptions,
  ): Subscription<EventsOf<T, Name>>;
  readonly counters: ClientCounters;
  /** Fails what is unanswered with CLOSED, says BYE and closes every connection. */
  close(): Promise<void>;
}

/** A client whose methods are those of its service: `client.echo(body)` is `client.call("echo", body)`. */
export type Client<S = Service<AnyMethods>> = ClientBase<MethodsOf<S>, TopicsOf<S>> & {
  readonly [Name in Exclude<NamesOf<MethodsOf<S>, "call">, keyof ClientBase>]: (
    ...rest: undefined extends InputOf<MethodsOf<S>[Name]>
      ? [body?: InputOf<MethodsOf<S>[Name]>, options?: CallOptions<OutputOf<MethodsOf<S>[Name]>>]
      : [body: InputOf<MethodsOf<S>[Name]>, options?: CallOptions<OutputOf<MethodsOf<S>[Name]>>]
  ) => Promise<OutputOf<MethodsOf<S>[Name]>>;
};

/** A service of which nothing is known: any method, any body. */
export type AnyMethods = Readonly<Record<string, (body: unknown) => unknown>>;
