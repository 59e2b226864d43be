// How everything in Wherry talks to a Kubernetes API, ours or a real one: controllers, scheduler, agents, the service
// framework's discovery and the command line. The same interface over HTTPS and in process.
import type { KubeList, KubeObject, Stored, WatchEvent } from "../types/index.ts";

/** A kind as the API's URLs name it. `group` is empty for core/v1. */
export interface Resource<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  /** Plural, lower case: `endpointslices`. */
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never there at run time: carries the object's type. */
  readonly object?: T;
}

export interface ListOptions {
  /** All namespaces when absent. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly signal?: AbortSignal;
}

export interface WatchOptions extends ListOptions {
  readonly allowWatchBookmarks?: boolean;
  readonly timeoutSeconds?: number;
}

export type PatchType = "json" | "merge" | "strategic" | "apply";

export interface WriteOptions {
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly signal?: AbortSignal;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly signal?: AbortSignal;
}

/**
 * A client of one API server under one identity. Every refusal is thrown as a `StatusError` (../status.ts) whose `reason` is
 * Kubernetes' own (`NotFound`, `Conflict`, …); a broken connection is a `WherryError` `KUBE_UNREACHABLE`, retryable.
 * Objects that come back are read-only and may be shared; build a changed one, never mutate.
 */
export interface KubeClient {
  get<T extends KubeObject>(resource: Resource<T>, name: string, namespace?: string): Promise<Stored<T>>;
  list<T extends KubeObject>(resource: Resource<T>, options?: ListOptions): Promise<KubeList<T>>;
  /** Ends when the server ends it or the signal aborts; an ERROR event is the last one. */
  watch<T extends KubeObject>(resource: Resource<T>, options?: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<Stored<T>>;
  /** PUT. A stale `metadata.resourceVersion` is refused as `Conflict`. */
  update<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<Stored<T>>;
  updateStatus<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<Stored<T>>;
  /** PUT of the whole object to a subresource: `finalize` of a Namespace. */
  updateSubresource<T extends KubeObject>(
    resource: Resource<T>,
    subresource: string,
    object: T,
    options?: WriteOptions,
  ): Promise<Stored<T>>;
  patch<T extends KubeObject>(
    resource: Resource<T>,
    target: { readonly name: string; readonly namespace?: string; readonly subresource?: string },
    type: PatchType,
    body: unknown,
    options?: WriteOptions,
  ): Promise<Stored<T>>;
  delete<T extends KubeObject>(
    resource: Resource<T>,
    target: { readonly name: string; readonly namespace?: string },
    options?: DeleteOptions,
  ): Promise<void>;
  /** POST to a subresource: `binding`, `eviction`, `token`. */
  createSubresource<R extends KubeObject>(
    resource: Resource,
    target: { readonly name: string; readonly namespace?: string },
    subresource: string,
    body: KubeObject,
  ): Promise<R>;
}

/** One call as it goes over the wire, whatever the wire is. */
export interface TransportRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Decoded path segments: `["api", "v1", "namespaces", "default", "pods"]`. */
  readonly path: readonly string[];
  readonly query?: URLSearchParams;
  /** Of the body; `application/json` when absent. */
  readonly contentType?: string;
  /** A value that JSON can hold. In process it is handed over as it is, so the caller must not change it afterwards. */
  readonly body?: unknown;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface TransportResponse {
  readonly status: number;
  /** The JSON value that came; a string when the answer was no JSON; undefined without a body. Read-only, may be shared. */
  readonly body: unknown;
  /** The texts of `Warning: 299` headers. */
  readonly warnings?: readonly string[];
}

/** Brings a request to an API server under one identity: over HTTPS (`httpTransport`) or in process. */
export interface Transport {
  /**
   * Resolves for every answer, refusals included. An abort rejects with the signal's reason.
   * @throws WherryError `KUBE_UNREACHABLE` (retryable) when no answer came.
   */
  request(request: TransportRequest): Promise<TransportResponse>;
  /**
   * Opens a watch (the query holds `watch=true`) and yields its events, starting with the first `next()`. Ends when the server
   * ends it or the signal aborts; leaving the loop closes it at once.
   * @throws StatusError from `next()` when the server refuses the watch. WherryError `KUBE_UNREACHABLE` when it can't be
   *         opened, or breaks off in the middle of an event.
   */
  watch(request: TransportRequest): AsyncIterable<WatchEvent>;
}
