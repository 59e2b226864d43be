// The API server as its callers see it: one function from request to response. The HTTPS listener and the in-process
// transport are its two callers; both pass authentication's result, and the same authorization, admission and validation.

/** Who asks. Kubernetes' user.Info. */
export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
}

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

export interface ApiRequest {
  readonly method: Method;
  /** Decoded path segments, without the query: `["api", "v1", "namespaces", "default", "pods"]`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly user: User;
  /** As it came over HTTP (bytes: protobuf), or an object handed over in process. Absent without a body. */
  readonly body?: { readonly text: string } | { readonly bytes: Uint8Array } | { readonly object: unknown };
  /** True: the caller is in this process and takes objects, shared and frozen, where HTTP takes JSON text. */
  readonly inProcess?: boolean;
  /** Aborted when the caller goes away. */
  readonly signal: AbortSignal;
}

/** Exactly one of the bodies. A stream is pulled: the next chunk is asked for when the last one was taken. */
export type ApiBody =
  /** An object; the in-process caller gets it as it is, HTTP gets its JSON. */
  | { readonly object: unknown }
  /** JSON text that needs no further work: stored bytes, joined lists. */
  | { readonly json: string }
  /** Watch events: the in-process caller gets them as they are, HTTP gets one JSON line each. */
  | { readonly events: AsyncIterable<readonly ApiWatchEvent[]> }
  /** Anything else: logs, metrics, `/healthz`. */
  | { readonly text: string; readonly contentType: string }
  | { readonly stream: AsyncIterable<Uint8Array | string>; readonly contentType: string };

/** `json` is encoded once for all watchers; `object` is parsed lazily and frozen. */
export interface ApiWatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly json: string;
  readonly object: unknown;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: ApiBody;
  /** Each becomes a `Warning: 299 - "…"` header. */
  readonly warnings?: readonly string[];
}

export interface ApiHandler {
  handle(request: ApiRequest): Promise<ApiResponse>;
}

/** What the API asks of the node agents, injected by the daemon so that `api` knows nothing of `agent`. */
export interface PodLogs {
  /**
   * The log of a container, as `kubectl logs` shows it.
   * @throws StatusError 400 when the container has not started (message: `container "c" in pod "p" is waiting to start: …`),
   *         404 for an unknown container or no previous instance.
   */
  read(
    pod: { readonly namespace: string; readonly name: string; readonly uid: string },
    container: string,
    options: LogOptions,
  ): Promise<AsyncIterable<Uint8Array | string>>;
}

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ (read log of the specified Pod) */
export interface LogOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly sinceSeconds?: number;
  readonly sinceTime?: string;
  readonly signal: AbortSignal;
}
