// The store's whole contract. An MVCC key-value store with one growing revision, like etcd's; the API server is its only
// user. Invariants (asserted and property-tested in backend.suite.ts, for every implementation):
//
//   W1 revisions are dense and strictly increasing, also across restart and crash
//   W2 nothing is visible, to reads or watches, before it is durable; an acknowledged write survives kill -9
//   W3 a watch from r delivers exactly the events > r of its range, in order, each once
//   W4 a watch that falls behind (slow or compacted) ends with `gone`; never a gap
//   W5 a `progress` at r means that everything ≤ r was delivered on that stream
//   W6 a start revision above the current one is refused, not clamped
//   W7 a read at a compacted revision is refused
//   W8 all events of one revision arrive in one batch
//
// What a caller must handle is a value; what is thrown is a bug or a broken disk (`STORE_FAILED`), after which the store
// accepts nothing more.

/** 1, 2, 3 …; 0 is the empty store. Fits a JavaScript number exactly (2^53). */
export type Revision = number;

/** One version of one key. `value` is the object's JSON text, ready to be sent. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly createRevision: Revision;
  readonly revision: Revision;
}

/** All keys that start with `prefix`. */
export interface Range {
  readonly prefix: string;
}

export type WriteResult =
  | { readonly outcome: "written"; readonly entry: Entry }
  /** The key has another version than expected, or exists when none was; `current` is it, as of the pending head. */
  | { readonly outcome: "conflict"; readonly current: Entry | undefined };

export type DeleteResult =
  | { readonly outcome: "deleted"; readonly entry: Entry; readonly revision: Revision }
  | { readonly outcome: "conflict"; readonly current: Entry | undefined };

export type ReadFailure =
  /** The revision was compacted away (W7). */
  | { readonly outcome: "compacted"; readonly compactRevision: Revision }
  /** The revision is not reached yet (W6). */
  | { readonly outcome: "future"; readonly currentRevision: Revision };

export type Page = {
  readonly outcome: "page";
  /** By key, ascending. */
  readonly entries: readonly Entry[];
  /** The snapshot that this page shows. */
  readonly revision: Revision;
  /** Entries after this page in the same snapshot. */
  readonly remaining: number;
};

export interface StoreEvent {
  readonly type: "put" | "delete";
  /** The new version; for a delete, the last one. */
  readonly entry: Entry;
  /** The version before it, if the key existed. */
  readonly previous: Entry | undefined;
  readonly revision: Revision;
}

export type WatchBatch =
  | { readonly type: "events"; readonly events: readonly StoreEvent[] }
  | { readonly type: "progress"; readonly revision: Revision }
  /** The last batch: what follows can't be delivered without a gap. List again. */
  | { readonly type: "gone"; readonly compactRevision: Revision };

export interface Backend {
  /** The newest durable revision: what reads and watches see. */
  readonly revision: Revision;
  readonly compactRevision: Revision;

  /** The newest durable version, or that at revision `at`. */
  get(key: string, at?: Revision): Entry | undefined | ReadFailure;
  /** @param options.after start behind this key. @param options.limit entries at most; absent: all. */
  list(
    range: Range,
    options?: { readonly at?: Revision; readonly limit?: number; readonly after?: string },
  ): Page | ReadFailure;

  /**
   * Compare-and-swap. `expected` is the revision that the key must have, 0 that it must not exist. The comparison, and the
   * choice of the revision, happen before this returns; the promise resolves when the write is durable.
   * @param encode makes the value, given the revision that it will have (it goes into `metadata.resourceVersion`).
   */
  put(key: string, expected: Revision, encode: (revision: Revision) => string): Promise<WriteResult>;
  /** @param encode makes the last version as watchers will see it: the same object with the delete's revision. */
  delete(key: string, expected: Revision, encode: (revision: Revision) => string): Promise<DeleteResult>;

  /** The version that a compare-and-swap would meet: newer than `get` while a write is on its way to the disk. */
  head(key: string): Entry | undefined;

  /**
   * Events after `after`. Ends with `gone`, when the signal aborts, or with the store. It has one reader, who may be as slow as
   * the kept history is long (`historyEventsMax`, `historyCharactersMax`): a watch is a position in it and buffers nothing.
   * It also yields a `progress` batch whenever `requestProgress` asks for it. From this call on it takes part, so abort
   * the signal, or leave the loop, when it is no longer wanted.
   */
  watch(range: Range, after: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> | ReadFailure;
  /** Makes every watch yield a `progress` batch at the current revision once all before it is delivered. */
  requestProgress(): void;

  /** Forgets versions that no read at or after `through` needs. */
  compact(through: Revision): Promise<void>;
  /** Resolves when everything accepted is durable and closed. */
  close(): Promise<void>;
}
