// One store watch of one resource, fanned out to all who watch it. It keeps recent changes in memory for those who come
// back; who comes from further behind gets a store watch of its own. A watcher that does not take its events is dropped
// (it can resume where it was); nobody waits for it.
import { asError, type Logger } from "@wherry/core";
import type { Backend, ReadFailure, Revision, WatchBatch } from "../../store/types.ts";
import { limits } from "../limits.ts";
import type { ApiWatchEvent } from "../types.ts";
import { Change } from "./change.ts";
import type { ObjectCache, StoredObject } from "./objects.ts";

/** A watcher's view: the keys that start with `prefix`, and of these the objects that `matches` accepts. */
export interface Selection {
  readonly prefix: string;
  readonly matches?: (object: StoredObject) => boolean;
}

/** `progress`: everything up to this revision was handed over. */
export type FeedItem = ApiWatchEvent | { readonly type: "progress"; readonly revision: Revision };

export interface Subscription {
  /** Waits for at least one item. Undefined: nothing more comes; `gone` says whether history is missing. */
  next(): Promise<readonly FeedItem[] | undefined>;
  /** Up to here everything was handed over, once `next` has nothing waiting. */
  readonly revision: Revision;
  readonly gone: boolean;
  /** After the end: was everything up to `revision` handed over? */
  readonly complete: boolean;
  /** Takes no more; what waits is still handed over. */
  finish(): void;
  /** Ends at once. */
  close(): void;
}

export class Feed {
  readonly #backend: Backend;
  readonly #prefix: string;
  readonly #cache: ObjectCache;
  readonly #log: Logger;
  readonly #subscribers = new Set<Subscriber>();
  readonly #stopped: AbortSignal;
  #history: Change[] = [];
  /** Of JSON, in `#history`. */
  #characters = 0;
  /** Changes after this one are in `#history`. */
  #historyAfter: Revision;
  #revision: Revision;
  #running = false;

  constructor(backend: Backend, prefix: string, cache: ObjectCache, log: Logger, stopped: AbortSignal) {
    this.#backend = backend;
    this.#prefix = prefix;
    this.#cache = cache;
    this.#log = log;
    this.#stopped = stopped;
    this.#historyAfter = backend.revision;
    this.#revision = backend.revision;
  }

  get watchers(): number {
    return this.#subscribers.size;
  }

  /** Changes after `after` of a selection. */
  subscribe(after: Revision, selection: Selection): Subscription | ReadFailure {
    if (after > this.#backend.revision) return { outcome: "future", currentRevision: this.#backend.revision };
    if (!this.#running) this.#start();
    if (after < this.#historyAfter) return this.#fromStore(after, selection);
    const subscriber = new Subscriber(selection, Math.max(after, this.#revision), () => {
      this.#subscribers.delete(subscriber);
    });
    for (const change of this.#since(after)) subscriber.offer(change);
    // A read may have been ahead of this feed: what the reader has seen already is not told again.
    subscriber.after = after;
    this.#subscribers.add(subscriber);
    return subscriber;
  }

  #since(after: Revision): readonly Change[] {
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#history[middle]?.revision ?? 0) <= after) low = middle + 1;
      else high = middle;
    }
    return this.#history.slice(low);
  }

  #start(): void {
    this.#historyAfter = this.#backend.revision;
    this.#revision = this.#historyAfter;
    this.#history = [];
    this.#characters = 0;
    const batches = this.#backend.watch({ prefix: this.#prefix }, this.#historyAfter, this.#stopped);
    if ("outcome" in batches) throw new Error(`a watch from the current revision was refused: ${batches.outcome}`);
    this.#running = true;
    void this.#run(batches);
  }

  async #run(batches: AsyncIterable<WatchBatch>): Promise<void> {
    try {
      for await (const batch of batches) {
        if (batch.type === "gone") break;
        if (batch.type === "progress") this.#progress(batch.revision);
        else this.#take(batch.events.map((event) => new Change(event, this.#cache)));
      }
    } catch (problem) {
      if (!this.#stopped.aborted)
        this.#log.error({ err: asError(problem), prefix: this.#prefix }, "the store's watch failed");
    } finally {
      this.#running = false;
      for (const subscriber of this.#subscribers) subscriber.end(false);
    }
  }

  #take(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#revision = change.revision;
      this.#history.push(change);
      this.#characters += change.characters;
      for (const subscriber of this.#subscribers) subscriber.offer(change);
    }
    this.#forget();
  }

  /** In blocks: shifting an array for every event would cost more than it frees. */
  #forget(): void {
    const { watchHistoryEventsMax: events, watchHistoryCharactersMax: characters } = limits;
    if (this.#history.length <= 2 * events && this.#characters <= 2 * characters) return;
    let count = 0;
    while (this.#history.length - count > events || this.#characters > characters)
      this.#characters -= this.#history[count++]?.characters ?? 0;
    const forgotten = this.#history.splice(0, count);
    this.#historyAfter = forgotten.at(-1)?.revision ?? this.#historyAfter;
  }

  #progress(revision: Revision): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const subscriber of this.#subscribers) subscriber.progress(this.#revision);
  }

  #fromStore(after: Revision, selection: Selection): Subscription | ReadFailure {
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, this.#stopped]);
    const batches = this.#backend.watch({ prefix: selection.prefix }, after, signal);
    if ("outcome" in batches) return batches;
    const subscriber = new Subscriber(selection, after, () => abort.abort());
    void this.#pump(batches, subscriber);
    return subscriber;
  }

  async #pump(batches: AsyncIterable<WatchBatch>, subscriber: Subscriber): Promise<void> {
    let gone = false;
    try {
      for await (const batch of batches) {
        if (batch.type === "gone") gone = true;
        else if (batch.type === "progress") subscriber.progress(batch.revision);
        else for (const event of batch.events) subscriber.offer(new Change(event, this.#cache));
        // This watch has only one reader, so it can wait for it; history may be much longer than a queue.
        await subscriber.room();
        if (gone || subscriber.ended) break;
      }
    } catch (problem) {
      if (!subscriber.ended && !this.#stopped.aborted)
        this.#log.error({ err: asError(problem), prefix: this.#prefix }, "the store's watch failed");
    } finally {
      subscriber.end(gone);
    }
  }
}

class Subscriber implements Subscription {
  readonly #selection: Selection;
  readonly #onClose: () => void;
  #queue: FeedItem[] = [];
  /** Of JSON, in `#queue`. */
  #characters = 0;
  #ended = false;
  #wake: (() => void) | undefined;
  #taken: (() => void) | undefined;
  after: Revision = 0;
  revision: Revision;
  gone = false;
  complete = true;

  constructor(selection: Selection, revision: Revision, onClose: () => void) {
    this.#selection = selection;
    this.revision = revision;
    this.#onClose = onClose;
  }

  get ended(): boolean {
    return this.#ended;
  }

  offer(change: Change): void {
    if (this.#ended || change.revision <= this.after) return;
    this.revision = Math.max(this.revision, change.revision);
    if (!change.key.startsWith(this.#selection.prefix)) return;
    const event = change.for(this.#selection.matches);
    if (event !== undefined) this.#push(event);
  }

  progress(revision: Revision): void {
    if (this.#ended || revision < this.after) return;
    this.revision = Math.max(this.revision, revision);
    this.#push({ type: "progress", revision: this.revision });
  }

  #push(item: FeedItem): void {
    if (this.#queue.length >= limits.watchQueueEventsMax || this.#characters > limits.watchQueueCharactersMax) {
      this.close();
      return;
    }
    this.#queue.push(item);
    this.#characters += charactersOf(item);
    this.#wake?.();
  }

  /** Resolves once there is room for more than a few. */
  async room(): Promise<void> {
    const isFull = (): boolean =>
      this.#queue.length >= limits.watchBatchEventsMax || this.#characters > limits.watchQueueCharactersMax / 2;
    while (!this.#ended && isFull()) await new Promise<void>((resolve) => (this.#taken = resolve));
  }

  async next(): Promise<readonly FeedItem[] | undefined> {
    while (this.#queue.length === 0) {
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const items = this.#queue.splice(0, limits.watchBatchEventsMax);
    for (const item of items) this.#characters -= charactersOf(item);
    this.#taken?.();
    return items;
  }

  end(gone: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.gone = gone;
    this.#onClose();
    this.#wake?.();
    this.#taken?.();
  }

  finish(): void {
    this.end(false);
  }

  close(): void {
    if (this.#queue.length > 0) this.complete = false;
    this.#queue = [];
    this.#characters = 0;
    this.end(false);
  }
}

const charactersOf = (item: FeedItem): number => (item.type === "progress" ? 0 : item.json.length);
