// One informer: lists, then watches from there, for ever (client-go: tools/cache/reflector.go). Whatever happens to the
// connection, the cache stays as it was until the server has said something newer.
import { asError, assert, type Clock, type Logger, type Random } from "@wherry/core";
import type { KubeClient, Resource } from "../client/types.ts";
import { StatusError } from "../status.ts";
import type { KubeObject, Stored, WatchEvent } from "../types/index.ts";
import { Backoff } from "./backoff.ts";
import * as limits from "./limits.ts";
import { type Change, ObjectCache } from "./object-cache.ts";
import type { Informer, Key } from "./types.ts";

/** Which objects. Absent: all of the resource. */
export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface InformerEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** An informer of its own, for a selection that nobody else shares. */
export interface StandaloneInformer<T extends KubeObject> extends Informer<T> {
  /** Once. Resolves when the cache is synced, or the signal aborted before that. */
  start(signal: AbortSignal): Promise<void>;
}

/**
 * @example
 * const slices = createInformer(client, resources.endpointslices, env, { namespace, labelSelector });
 * slices.onChange(() => connect(slices.list()));
 * await slices.start(signal);
 */
export function createInformer<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  env: InformerEnvironment,
  selection: Selection = {},
): StandaloneInformer<T> {
  return new ListWatchInformer(client, resource, env, selection);
}

class ListWatchInformer<T extends KubeObject> implements StandaloneInformer<T> {
  readonly resource: Resource<T>;
  readonly #client: KubeClient;
  readonly #env: InformerEnvironment;
  readonly #selection: Selection;
  readonly #log: Logger;
  readonly #backoff: Backoff;
  readonly #cache: ObjectCache<T>;
  readonly #handlers: Change<T>[] = [];
  #synced = false;
  #started = false;
  /** The last watch expired without having brought anything. */
  #expired = false;
  /** What the cache has seen up to; undefined: list first. */
  #resourceVersion: string | undefined;

  constructor(client: KubeClient, resource: Resource<T>, env: InformerEnvironment, selection: Selection) {
    this.resource = resource;
    this.#client = client;
    this.#env = env;
    this.#selection = selection;
    this.#log = env.log.child({ informer: resource.plural });
    this.#backoff = new Backoff({ ...env, firstMs: limits.relistBackoffMs, maxMs: limits.relistBackoffMsMax });
    this.#cache = new ObjectCache<T>((next, previous) => {
      for (const handler of this.#handlers) this.#tell(handler, next, previous);
    });
  }

  get synced(): boolean {
    return this.#synced;
  }

  get(key: Key): Stored<T> | undefined {
    return this.#cache.get(key);
  }

  list(namespace?: string): readonly Stored<T>[] {
    return this.#cache.list(namespace);
  }

  byIndex(index: string, value: string): readonly Stored<T>[] {
    const objects = this.#cache.byIndex(index, value);
    assert(objects !== undefined, `the informer of ${this.resource.plural} has an index ${index}`);
    return objects;
  }

  addIndex(index: string, valuesOf: (object: Stored<T>) => readonly string[]): void {
    this.#cache.addIndex(index, valuesOf);
  }

  onChange(handler: Change<T>): void {
    this.#handlers.push(handler);
    for (const object of this.#cache.list()) this.#tell(handler, object, undefined);
  }

  start(signal: AbortSignal): Promise<void> {
    assert(!this.#started, `the informer of ${this.resource.plural} is started once`);
    this.#started = true;
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted) done();
      else void this.#run(signal, done);
    });
  }

  async #run(signal: AbortSignal, onSynced: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) {
          await this.#list(signal);
          onSynced();
        }
        await this.#watch(signal);
      } catch (error) {
        await this.#recover(error, signal);
      }
    }
  }

  /** After a failed list or watch: decides whether to list anew, and waits. Only an abort ends the informer. */
  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const expired = isExpired(error);
    if (expired || isTooLarge(error)) this.#resourceVersion = undefined;
    if (expired && !this.#expired) {
      this.#expired = true;
      this.#log.debug({ reason: asError(error).message }, "the watch fell behind, listing again");
      return;
    }
    this.#log.warn({ err: asError(error) }, "listing or watching failed, again after a pause");
    await this.#backoff.wait(signal).catch(() => undefined);
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { items, resourceVersion } = await this.#pages(signal, limits.listPageObjects).catch((error: unknown) => {
      // The snapshot was compacted between two pages: take it in one.
      if (isExpired(error)) return this.#pages(signal, undefined);
      throw error;
    });
    if (signal.aborted) return;
    this.#cache.replaceAll(items.map((item) => this.#typed(item)));
    this.#resourceVersion = resourceVersion;
    this.#synced = true;
  }

  async #pages(
    signal: AbortSignal,
    limit: number | undefined,
  ): Promise<{ readonly items: Stored<T>[]; readonly resourceVersion: string }> {
    const items: Stored<T>[] = [];
    const paging = limit === undefined ? {} : { limit };
    for (let token: string | undefined; ; ) {
      const next = token === undefined ? {} : { continue: token };
      const page = await this.#client.list(this.resource, { ...this.#selection, ...paging, ...next, signal });
      for (const item of page.items) items.push(item);
      token = page.metadata.continue;
      if (token === undefined || token === "") return { items, resourceVersion: page.metadata.resourceVersion ?? "0" };
    }
  }

  /** Returns when the server ended the watch; the next one goes on from where this one was. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#env;
    const startedMs = clock.monotonic();
    const timeoutSeconds = Math.round(limits.watchTimeoutSeconds * (1 + random.next()));
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const overdue = clock.timer(timeoutSeconds * 1000 + limits.watchOverdueMs, () => stop.abort(), {
      background: true,
    });
    try {
      for await (const event of this.#client.watch(this.resource, {
        ...this.#selection,
        ...(this.#resourceVersion === undefined ? {} : { resourceVersion: this.#resourceVersion }),
        allowWatchBookmarks: true,
        timeoutSeconds,
        signal: stop.signal,
      })) {
        if (signal.aborted) return;
        this.#apply(event);
        this.#prospered();
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      overdue.cancel();
      signal.removeEventListener("abort", abort);
    }
    if (clock.monotonic() - startedMs >= limits.watchQuietMs) this.#prospered();
    else if (!signal.aborted) await this.#backoff.wait(signal);
  }

  #prospered(): void {
    this.#expired = false;
    this.#backoff.reset();
  }

  #apply(event: WatchEvent<T>): void {
    if (event.type === "ERROR") throw new StatusError(event.object);
    if (event.type === "DELETED") this.#cache.remove(this.#typed(event.object));
    else if (event.type !== "BOOKMARK") this.#cache.put(this.#typed(event.object));
    this.#resourceVersion = event.object.metadata.resourceVersion;
  }

  /** With apiVersion and kind, which a real API leaves out of a list's items. */
  #typed(object: Stored<T>): Stored<T> {
    if (object.apiVersion !== undefined && object.kind !== undefined) return object;
    const { group, version, kind } = this.resource;
    return { apiVersion: group === "" ? version : `${group}/${version}`, kind, ...object };
  }

  /** A handler that throws is a bug of its owner, which must not stop the cache that others share. */
  #tell(handler: Change<T>, next: Stored<T> | undefined, previous: Stored<T> | undefined): void {
    try {
      handler(next, previous);
    } catch (error) {
      this.#log.error({ err: asError(error) }, "a handler of changes threw");
    }
  }
}

/** The resource version is compacted: only a new list helps. */
function isExpired(error: unknown): boolean {
  return error instanceof StatusError && error.httpStatus === 410;
}

/** The server knows no such resource version yet: it was set back, and only a new list tells where it stands. */
function isTooLarge(error: unknown): boolean {
  return (
    error instanceof StatusError &&
    error.status.details?.causes?.some((cause) => cause.reason === "ResourceVersionTooLarge") === true
  );
}
