// A `KubeClient` over any transport: turns typed calls into requests and refusals into `StatusError`s. It never retries and
// never caches; informers and callers decide that.
import { StatusError } from "../status.ts";
import type { KubeList, KubeObject, Stored, WatchEvent } from "../types/index.ts";
import { collectionPath, namespaceOf, objectPath } from "./paths.ts";
import { deleteBody, listQuery, patchContentTypes, writeQuery } from "./query.ts";
import { statusOfAnswer } from "./refusal.ts";
import type {
  DeleteOptions,
  KubeClient,
  ListOptions,
  PatchType,
  Resource,
  Transport,
  TransportRequest,
  WatchOptions,
  WriteOptions,
} from "./types.ts";

export interface ClientOptions {
  /** Told of each warning that the server sends along (`Warning: 299`): unknown fields, deprecated versions. */
  readonly onWarning?: (text: string) => void;
}

/**
 * @example
 * const client = createClient(httpTransport({ server: "https://127.0.0.1:6443", token, ca }));
 * const pods = await client.list(resources.pods, { namespace: "default", labelSelector: "app=echo" });
 */
export function createClient(transport: Transport, options: ClientOptions = {}): KubeClient {
  return new TransportClient(transport, options);
}

interface Target {
  readonly name: string;
  readonly namespace?: string;
}

class TransportClient implements KubeClient {
  readonly #transport: Transport;
  readonly #options: ClientOptions;

  constructor(transport: Transport, options: ClientOptions) {
    this.#transport = transport;
    this.#options = options;
  }

  async get<T extends KubeObject>(resource: Resource<T>, name: string, namespace?: string): Promise<Stored<T>> {
    return this.#send<Stored<T>>({ method: "GET", path: objectPath(resource, { name, namespace }) });
  }

  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<KubeList<T>> {
    return this.#send<KubeList<T>>({
      method: "GET",
      path: collectionPath(resource, options.namespace),
      query: listQuery(options),
      ...signalOf(options),
    });
  }

  watch<T extends KubeObject>(resource: Resource<T>, options: WatchOptions = {}): AsyncIterable<WatchEvent<T>> {
    const query = listQuery(options);
    query.set("watch", "true");
    if (options.allowWatchBookmarks === true) query.set("allowWatchBookmarks", "true");
    if (options.timeoutSeconds !== undefined) query.set("timeoutSeconds", String(options.timeoutSeconds));
    const path = collectionPath(resource, options.namespace);
    return this.#transport.watch({ method: "GET", path, query, ...signalOf(options) }) as AsyncIterable<WatchEvent<T>>;
  }

  async create<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<Stored<T>> {
    const path = collectionPath(resource, namespaceOf(resource, object.metadata?.namespace));
    return this.#write<T>("POST", path, typed(resource, object), options);
  }

  async update<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<Stored<T>> {
    return this.#write<T>("PUT", objectPath(resource, targetOf(object)), typed(resource, object), options);
  }

  async updateStatus<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<Stored<T>> {
    return this.updateSubresource(resource, "status", object, options);
  }

  async updateSubresource<T extends KubeObject>(
    resource: Resource<T>,
    subresource: string,
    object: T,
    options: WriteOptions = {},
  ): Promise<Stored<T>> {
    return this.#write<T>("PUT", objectPath(resource, targetOf(object), subresource), typed(resource, object), options);
  }

  async patch<T extends KubeObject>(
    resource: Resource<T>,
    target: Target & { readonly subresource?: string },
    type: PatchType,
    body: unknown,
    options: WriteOptions = {},
  ): Promise<Stored<T>> {
    return this.#send<Stored<T>>({
      method: "PATCH",
      path: objectPath(resource, target, target.subresource),
      query: writeQuery(options),
      contentType: patchContentTypes[type],
      body,
      ...signalOf(options),
    });
  }

  async delete<T extends KubeObject>(
    resource: Resource<T>,
    target: Target,
    options: DeleteOptions = {},
  ): Promise<void> {
    const body = deleteBody(options);
    await this.#send<unknown>({
      method: "DELETE",
      path: objectPath(resource, target),
      ...(body === undefined ? {} : { body }),
      ...signalOf(options),
    });
  }

  async createSubresource<R extends KubeObject>(
    resource: Resource,
    target: Target,
    subresource: string,
    body: KubeObject,
  ): Promise<R> {
    return this.#send<R>({ method: "POST", path: objectPath(resource, target, subresource), body });
  }

  #write<T extends KubeObject>(
    method: "POST" | "PUT",
    path: string[],
    body: T,
    options: WriteOptions,
  ): Promise<Stored<T>> {
    return this.#send<Stored<T>>({ method, path, query: writeQuery(options), body, ...signalOf(options) });
  }

  async #send<Answer>(request: TransportRequest): Promise<Answer> {
    const response = await this.#transport.request(request);
    for (const warning of response.warnings ?? []) this.#options.onWarning?.(warning);
    if (response.status >= 200 && response.status < 300) return response.body as Answer;
    throw new StatusError(statusOfAnswer(response.status, response.body, request));
  }
}

/** The object with apiVersion and kind, which the server requires and in-process callers often leave out. */
function typed<T extends KubeObject>(resource: Resource, object: T): T {
  if (object.apiVersion !== undefined && object.kind !== undefined) return object;
  const apiVersion = resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
  return { apiVersion, kind: resource.kind, ...object };
}

function targetOf(object: KubeObject): { name: string | undefined; namespace: string | undefined } {
  return { name: object.metadata?.name, namespace: object.metadata?.namespace };
}

function signalOf(options: { readonly signal?: AbortSignal }): { signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}
