// A stand-in for an API server with one resource, for the tests of what talks to one: lists, watches with bookmarks, and
// every way in which they fail. In memory, no timers.
import { WherryError } from "@wherry/core";
import type { Resource, Transport, TransportRequest, TransportResponse } from "../client/types.ts";
import { expired, notFound, serviceUnavailable, StatusError } from "../status.ts";
import type { ConfigMap, KubeObject, Stored, WatchEvent } from "../types/index.ts";

export const configmaps: Resource<ConfigMap> = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
};

type Queue = { readonly events: WatchEvent[]; wake: () => void; end: "open" | "closed" | "broken" };

export class FakeServer implements Transport {
  readonly objects = new Map<string, Stored<KubeObject>>();
  readonly requests: TransportRequest[] = [];
  readonly #history: WatchEvent[] = [];
  readonly #watches = new Set<Queue>();
  #revision = 100;
  #uids = 0;
  /** Watches from below it are refused. */
  compacted = 0;
  /** While true no connection gets through. */
  down = false;

  get revision(): number {
    return this.#revision;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  set(name: string, data: string, namespace = "default"): void {
    const key = `${namespace}/${name}`;
    const previous = this.objects.get(key);
    const uid = previous?.metadata.uid ?? `uid-${++this.#uids}`;
    const object = {
      data: { data },
      metadata: { name, namespace, uid, resourceVersion: String(++this.#revision) },
    } as unknown as Stored<KubeObject>;
    this.objects.set(key, object);
    this.#publish({ type: previous === undefined ? "ADDED" : "MODIFIED", object });
  }

  remove(name: string, namespace = "default"): void {
    const key = `${namespace}/${name}`;
    const object = this.objects.get(key);
    if (object === undefined) return;
    this.objects.delete(key);
    const metadata = { ...object.metadata, resourceVersion: String(++this.#revision) };
    this.#publish({ type: "DELETED", object: { ...object, metadata } });
  }

  bookmark(): void {
    const object = { kind: "ConfigMap", metadata: { resourceVersion: String(this.#revision) } } as Stored<KubeObject>;
    for (const watch of this.#watches) push(watch, { type: "BOOKMARK", object });
  }

  /** Ends all watches, politely or in the middle. */
  endWatches(how: "closed" | "broken"): void {
    for (const watch of this.#watches) {
      watch.end = how;
      watch.wake();
    }
  }

  /** Forgets the past; watches that are open get the error as their last event if `tell`. */
  compact(tell = false): void {
    this.compacted = this.#revision;
    if (!tell) return;
    const { status } = expired("too old resource version");
    for (const watch of this.#watches) push(watch, { type: "ERROR", object: status });
    this.endWatches("closed");
  }

  request(request: TransportRequest): Promise<TransportResponse> {
    this.requests.push(request);
    if (this.down) return Promise.reject(unreachable());
    if (request.method !== "GET") return Promise.resolve({ status: 404, body: notFound(configmaps, "?").status });
    return Promise.resolve(this.#list(request.query ?? new URLSearchParams()));
  }

  async *watch(request: TransportRequest): AsyncGenerator<WatchEvent> {
    this.requests.push(request);
    if (this.down) throw unreachable();
    const from = Number(request.query?.get("resourceVersion"));
    if (from < this.compacted) throw expired(`too old resource version: ${from} (${this.compacted})`);
    if (from > this.#revision) throw serviceUnavailable("from the future");
    const queue: Queue = {
      events: this.#history.filter((event) => revisionOf(event) > from),
      wake: () => undefined,
      end: "open",
    };
    this.#watches.add(queue);
    const abort = (): void => {
      queue.end = "closed";
      queue.wake();
    };
    request.signal?.addEventListener("abort", abort, { once: true });
    try {
      while (request.signal?.aborted !== true) {
        const event = queue.events.shift();
        if (event !== undefined) yield event;
        else if (queue.end === "broken") throw unreachable();
        else if (queue.end === "closed") return;
        else await new Promise<void>((resolve) => (queue.wake = resolve));
      }
    } finally {
      this.#watches.delete(queue);
    }
  }

  #list(query: URLSearchParams): TransportResponse {
    const token = query.get("continue");
    if (token !== null && Number(token.split(":")[1]) < this.compacted)
      return { status: 410, body: expired("the provided continue parameter is too old").status };
    const start = token === null ? 0 : Number(token.split(":")[0]);
    const limit = Number(query.get("limit") ?? Number.POSITIVE_INFINITY);
    const all = [...this.objects.values()];
    const rest = all.length > start + limit;
    return {
      status: 200,
      body: {
        apiVersion: "v1",
        kind: "ConfigMapList",
        metadata: {
          resourceVersion: String(this.#revision),
          ...(rest ? { continue: `${start + limit}:${this.#revision}` } : {}),
        },
        items: all.slice(start, start + limit),
      },
    };
  }

  #publish(event: WatchEvent): void {
    this.#history.push(event);
    for (const watch of this.#watches) push(watch, event);
  }
}

function push(watch: Queue, event: WatchEvent): void {
  watch.events.push(event);
  watch.wake();
}

function revisionOf(event: WatchEvent): number {
  return event.type === "ERROR" ? 0 : Number(event.object.metadata.resourceVersion);
}

function unreachable(): WherryError {
  return new WherryError("nobody answers", { code: "KUBE_UNREACHABLE", retryable: true });
}

/** For `expect`: the reason of a refusal. */
export function reasonOf(error: unknown): string | undefined {
  return error instanceof StatusError ? error.reason : undefined;
}
