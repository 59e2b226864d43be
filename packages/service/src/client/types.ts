// What the client side of a service promises to its caller.
import type { Clock, Logger, Random } from "@wherry/core";
import type { KubeClient } from "@wherry/kube/client";
import type { ClientMiddleware } from "./chain.ts";
import type { Broker } from "../durable/types.ts";
import type { InputOf, Methods, MethodsOf, OutputOf, RequestContext, Service } from "../service.ts";

export interface ConnectOptions {
  /** Static endpoints, `tcp://127.0.0.1:5555`, instead of discovery. */
  readonly endpoints?: readonly string[];
  /**
   * Methods that go through a broker, by name; default: those of the contract. This client publishes their calls itself, whether or not a pod lives. Those that it
   * is not told of are stored by the pod that gets the call.
   */
  readonly durable?: readonly string[];
  /** Where those are stored: a URL, or a broker, which stays open. Default: `BROKER_URL`, else a file. */
  readonly broker?: string | Broker;
  /** Where the Service is. Default: after the dot of `name.namespace`, else the pod's or the kubeconfig's own, else `default`. */
  readonly namespace?: string;
  /** The API to watch. Default: the pod's own, else KUBECONFIG's, else ~/.kube/config's, else Wherry's default cluster. */
  readonly kube?: KubeClient;
  /** Which port of the Service, by name. Default: `messaging` if there is one, else the first. */
  readonly port?: string;
  /** Milliseconds a call may take, over all attempts, if it says nothing itself. Default 5000. */
  readonly deadlineMs?: number;
  /** What this client calls itself, for the service's log. Default: the pod's name. */
  readonly name?: string;
  /** Around every call; the first is the outermost. Default: none. */
  readonly use?: readonly ClientMiddleware[];
  /**
   * With a contract: a body that its schema refuses fails here, with INVALID, and is not sent. Default false: the service checks it
   * anyway.
   */
  readonly checkBodies?: boolean;
  readonly log?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface CallOptions {
  /** Milliseconds from now, over all attempts. */
  readonly deadlineMs?: number;
  /** Cancels the call, also at the service; the call rejects with CANCELLED, and the signal's reason as its cause. */
  readonly signal?: AbortSignal;
  /** Running this call twice is the same as once. Default: what the service says of the method. */
  readonly idempotent?: boolean;
  /** The same for every attempt of one logical call; methods declared `keyed` deduplicate by it. At most 255 bytes. */
  readonly key?: string;
  /** W3C `traceparent`. Default: the parent's. */
  readonly trace?: string;
  /**
   * The request whose deadline, cancellation and trace hold here too; null for none. Default: `currentContext()`, the one in whose
   * handler this call is made.
   */
  readonly parent?: RequestContext | null;
}

/** Since the client was made. */
export interface ClientCounters {
  readonly calls: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Attempts beyond each call's first. */
  readonly retries: number;
  /** Endpoints known, and those that take calls now. */
  readonly endpoints: number;
  readonly available: number;
}

/** What every client has, whatever its service. */
export interface ClientBase<M extends Methods = Methods> extends AsyncDisposable {
  /**
   * Calls a method and resolves to its result.
   * @throws ServiceError: the method's own, or one of the framework's (docs/reference/protocol.md); TypeError for a body
   * that JSON cannot hold.
   */
  call<Name extends keyof M & string>(
    method: Name,
    ...rest: undefined extends InputOf<M[Name]>
      ? [body?: InputOf<M[Name]>, options?: CallOptions]
      : [body: InputOf<M[Name]>, options?: CallOptions]
  ): Promise<OutputOf<M[Name]>>;
  readonly counters: ClientCounters;
  /** Fails what is unanswered with CLOSED, says BYE and closes every connection. */
  close(): Promise<void>;
}

/** A client whose methods are those of its service: `client.echo(body)` is `client.call("echo", body)`. */
export type Client<S = Service<AnyMethods>> = ClientBase<MethodsOf<S>> & {
  readonly [Name in Exclude<keyof MethodsOf<S> & string, keyof ClientBase>]: (
    ...rest: undefined extends InputOf<MethodsOf<S>[Name]>
      ? [body?: InputOf<MethodsOf<S>[Name]>, options?: CallOptions]
      : [body: InputOf<MethodsOf<S>[Name]>, options?: CallOptions]
  ) => Promise<OutputOf<MethodsOf<S>[Name]>>;
};

/** A service of which nothing is known: any method, any body. */
export type AnyMethods = Readonly<Record<string, (body: unknown) => unknown>>;
