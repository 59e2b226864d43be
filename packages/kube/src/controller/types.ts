// The control-loop kit's contracts. A reconciler is level-triggered: it gets a key, reads the world, moves it one step, and
// may run at any time, twice. (The shape of controller-runtime: pkg/reconcile, client-go: util/workqueue, tools/cache.)
import type { Clock, Logger, Random } from "@wherry/core";
import type { KubeClient, Resource } from "../client/types.ts";
import type { KubeObject, Stored } from "../types/index.ts";

/** `namespace/name`, or `name` of what has no namespace. Strings, so that sets of them deduplicate. */
export type Key = string;

export interface ReconcileContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** 0 for the first try of this key since its last success. */
  readonly attempt: number;
}

/** Undefined: done until something changes. A thrown error is logged, counted and retried with back-off. */
export type Outcome = { readonly requeueAfterMs: number } | undefined;

export interface Reconciler {
  /** Lower case, as it appears in logs and metrics: `replicaset`. */
  readonly name: string;
  reconcile(key: Key, context: ReconcileContext): Promise<Outcome>;
}

/**
 * A cache of one resource, kept by list and watch. Per object it shows a subsequence of the object's states, in order; there
 * is no order between objects. Objects are frozen. A lost watch never empties it: it relists and tells the difference.
 */
export interface Informer<T extends KubeObject = KubeObject> {
  readonly resource: Resource<T>;
  /** True once the first list is in the cache. */
  readonly synced: boolean;
  get(key: Key): Stored<T> | undefined;
  /** All objects, or those of one namespace. */
  list(namespace?: string): readonly Stored<T>[];
  /** Those whose index value (see `addIndex`) is `value`. */
  byIndex(index: string, value: string): readonly Stored<T>[];
  /** Before the informer starts. */
  addIndex(index: string, valuesOf: (object: Stored<T>) => readonly string[]): void;
  /** Called for each change, after the cache holds it; `previous` is undefined for a new object, `next` for a deleted one. */
  onChange(handler: (next: Stored<T> | undefined, previous: Stored<T> | undefined) => void): void;
}

/** One cache per resource, shared by all loops of a process. */
export interface Informers {
  for<T extends KubeObject>(resource: Resource<T>): Informer<T>;
  /** Starts what was asked for and is not started yet; resolves when every cache is synced. Stops with the (first) signal. */
  start(signal: AbortSignal): Promise<void>;
}

/** What every loop is given. */
export interface LoopEnvironment {
  readonly client: KubeClient;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface WorkQueue {
  /** Adding a key that waits is nothing; adding one that is being processed queues it again when that is done. */
  add(key: Key): void;
  addAfter(key: Key, delayMs: number): void;
  /** Adds with the key's back-off, which doubles with each call until `forget`. */
  addRateLimited(key: Key): void;
  forget(key: Key): void;
  /** How often the key failed since `forget`. */
  failures(key: Key): number;
  /** The next key; the same key is never out twice. Undefined after shutdown. */
  take(signal: AbortSignal): Promise<Key | undefined>;
  done(key: Key): void;
  readonly length: number;
}
