// The MVCC core of every backend: revisions, compare-and-swap against the pending head, group commit, reads of now and of the
// past, watches. Below it only a journal, which may keep nothing.
//
// A write goes: compare and take the revision (at once, in `put`) → one transaction with all others of this turn of the event
// loop → visible to reads, then to watches → acknowledged. Until the journal has returned, only `head` sees it.
import { WherryError } from "@wherry/core";
import { History } from "./history.ts";
import type { Journal, JournalRow } from "./journal.ts";
import * as limits from "./limits.ts";
import type {
  Backend,
  DeleteResult,
  Entry,
  Page,
  Range,
  ReadFailure,
  Revision,
  StoreEvent,
  WatchBatch,
  WriteResult,
} from "./types.ts";
import { Versions } from "./versions.ts";

export interface MvccOptions {
  /** Runs the commit of what is pending, soon: after other writes of this turn had a chance to join. */
  readonly defer: (commit: () => void) => void;
  /** Called once, when the journal failed: from then on every write is refused. The owner should stop. */
  readonly onFailure?: (error: WherryError) => void;
  /** Events that history holds at most; `limits.historyEventsMax` when absent. */
  readonly historyEventsMax?: number;
}

interface Pending {
  readonly event: StoreEvent;
  readonly resolve: () => void;
  readonly reject: (error: WherryError) => void;
}

export class MvccBackend implements Backend {
  readonly #journal: Journal;
  readonly #options: MvccOptions;
  readonly #versions = new Versions();
  readonly #history: History;
  /** The newest revision given out, durable or not. */
  #headRevision: Revision;
  /** The newest pending event of each key that has one. */
  readonly #heads = new Map<string, StoreEvent>();
  #pending: Pending[] = [];
  #committing = false;
  #compacting: Promise<void> = Promise.resolve();
  /** Why nothing is accepted any more. */
  #refusal: WherryError | undefined;

  constructor(journal: Journal, options: MvccOptions) {
    this.#journal = journal;
    this.#options = options;
    const { compactRevision, rows } = journal.load();
    this.#history = new History(compactRevision);
    for (const row of rows) this.#restore(row);
    this.#headRevision = this.#history.revision;
  }

  get revision(): Revision {
    return this.#history.revision;
  }

  get compactRevision(): Revision {
    return this.#history.compactRevision;
  }

  get(key: string, at?: Revision): Entry | undefined | ReadFailure {
    if (at === undefined) return this.#versions.newest(key);
    return this.#unreadable(at) ?? this.#versions.at(key, at);
  }

  list(
    range: Range,
    options: { readonly at?: Revision; readonly limit?: number; readonly after?: string } = {},
  ): Page | ReadFailure {
    const revision = options.at ?? this.revision;
    const failure = this.#unreadable(revision);
    if (failure !== undefined) return failure;
    const page = this.#versions.page(range, revision, options.after, options.limit ?? Number.POSITIVE_INFINITY);
    return { outcome: "page", ...page, revision };
  }

  head(key: string): Entry | undefined {
    const pending = this.#heads.get(key);
    if (pending !== undefined) return pending.type === "put" ? pending.entry : undefined;
    return this.#versions.newest(key);
  }

  async put(key: string, expected: Revision, encode: (revision: Revision) => string): Promise<WriteResult> {
    this.#check(key);
    const current = this.head(key);
    if ((current?.revision ?? 0) !== expected) return { outcome: "conflict", current };
    const event = this.#next("put", key, current, encode);
    await this.#accept(event);
    return { outcome: "written", entry: event.entry };
  }

  async delete(key: string, expected: Revision, encode: (revision: Revision) => string): Promise<DeleteResult> {
    this.#check(key);
    const current = this.head(key);
    if (current === undefined || current.revision !== expected) return { outcome: "conflict", current };
    const event = this.#next("delete", key, current, encode);
    await this.#accept(event);
    return { outcome: "deleted", entry: event.entry, revision: event.revision };
  }

  watch(range: Range, after: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> | ReadFailure {
    return this.#unreadable(after) ?? this.#history.watch(range, after, signal);
  }

  requestProgress(): void {
    this.#history.requestProgress();
  }

  compact(through: Revision): Promise<void> {
    if (through > this.revision)
      return Promise.reject(
        new WherryError(`expected a revision up to ${this.revision} to compact through, got ${through}`, {
          code: "STORE_COMPACT_FUTURE",
        }),
      );
    const compacting = this.#compacting.then(() => this.#compactThrough(through));
    this.#compacting = compacting.catch(() => undefined);
    return compacting;
  }

  async close(): Promise<void> {
    if (this.#refusal?.code === "STORE_CLOSED") return;
    while (this.#pending.length > 0 && this.#refusal === undefined) this.#commit();
    this.#refusal ??= new WherryError("expected an open store, this one is closed", { code: "STORE_CLOSED" });
    this.#history.close();
    await this.#compacting;
    this.#journal.close();
  }

  #unreadable(revision: Revision): ReadFailure | undefined {
    if (revision > this.revision) return { outcome: "future", currentRevision: this.revision };
    if (revision < this.compactRevision) return { outcome: "compacted", compactRevision: this.compactRevision };
    return undefined;
  }

  #check(key: string): void {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (key.length > limits.keyCharactersMax)
      throw new WherryError(`expected a key of at most ${limits.keyCharactersMax} characters, got ${key.length}`, {
        code: "STORE_KEY_TOO_LONG",
      });
    if (this.#pending.length >= limits.pendingWritesMax)
      throw new WherryError(`expected at most ${limits.pendingWritesMax} writes on their way to the disk: try later`, {
        code: "STORE_BUSY",
        retryable: true,
      });
  }

  /** Makes the next event and takes its revision; when `encode` throws, nothing has happened. */
  #next(
    type: "put" | "delete",
    key: string,
    previous: Entry | undefined,
    encode: (revision: Revision) => string,
  ): StoreEvent {
    const revision = this.#headRevision + 1;
    const value = encode(revision);
    if (value.length > limits.valueCharactersMax)
      throw new WherryError(
        `expected an object of at most ${limits.valueCharactersMax} characters of JSON, ${key} has ${value.length}`,
        { code: "STORE_VALUE_TOO_LARGE" },
      );
    this.#headRevision = revision;
    const entry: Entry = { key, value, createRevision: previous?.createRevision ?? revision, revision };
    return { type, entry, previous, revision };
  }

  #accept(event: StoreEvent): Promise<void> {
    this.#heads.set(event.entry.key, event);
    return new Promise((resolve, reject) => {
      this.#pending.push({ event, resolve, reject });
      if (this.#committing) return;
      this.#committing = true;
      this.#options.defer(() => this.#commit());
    });
  }

  #commit(): void {
    this.#committing = false;
    if (this.#refusal !== undefined || this.#pending.length === 0) return;
    const batch = this.#pending.splice(0, limits.commitRowsMax);
    try {
      this.#journal.commit(batch.map(({ event }) => rowOf(event)));
    } catch (error) {
      this.#fail(error, batch);
      return;
    }
    for (const { event } of batch) this.#publish(event);
    this.#history.wake();
    for (const { resolve } of batch) resolve();
    if (this.#pending.length > 0) {
      this.#committing = true;
      this.#options.defer(() => this.#commit());
    }
    this.#trim();
  }

  #publish(event: StoreEvent): void {
    const { key } = event.entry;
    this.#versions.add(event);
    this.#history.append(event);
    if (this.#heads.get(key) === event) this.#heads.delete(key);
  }

  #restore(row: JournalRow): void {
    const { key, value, createRevision, revision } = row;
    const event: StoreEvent = {
      type: row.deleted ? "delete" : "put",
      entry: { key, value, createRevision, revision },
      previous: this.#versions.newest(key),
      revision,
    };
    this.#versions.add(event);
    if (revision > this.#history.compactRevision) this.#history.append(event);
  }

  #fail(cause: unknown, batch: readonly Pending[]): void {
    const error = WherryError.is(cause, "STORE_FAILED")
      ? cause
      : new WherryError("the store could not write, and accepts nothing more: restart it", {
          code: "STORE_FAILED",
          cause,
        });
    this.#refusal = error;
    const refused = [...batch, ...this.#pending];
    this.#pending = [];
    this.#heads.clear();
    for (const { reject } of refused) reject(error);
    // Apart from whoever met the failure: what the owner throws there shall end the process, not be a caller's rejection.
    queueMicrotask(() => this.#options.onFailure?.(error));
  }

  /** Keeps the history within its limits. */
  #trim(): void {
    const eventsMax = this.#options.historyEventsMax ?? limits.historyEventsMax;
    const slack = Math.min(limits.historySlackEvents, eventsMax);
    const tooMany = this.#history.length - eventsMax;
    if (tooMany >= slack) this.#forget(tooMany);
    else if (this.#history.characters > limits.historyCharactersMax)
      this.#forget(Math.min(this.#history.length, Math.max(1, this.#history.length >>> 3)));
  }

  async #compactThrough(through: Revision): Promise<void> {
    while (this.compactRevision < through) {
      if (this.#refusal !== undefined) throw this.#refusal;
      this.#forget(Math.min(through - this.compactRevision, limits.compactionEventsMax));
      const failure = this.#failure();
      if (failure !== undefined) throw failure;
      if (this.compactRevision < through) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #failure(): WherryError | undefined {
    return this.#refusal?.code === "STORE_FAILED" ? this.#refusal : undefined;
  }

  /** Compacts the `count` oldest events away, on the disk first. */
  #forget(count: number): void {
    const events = this.#history.oldest(count);
    const last = events.at(-1);
    if (last === undefined) return;
    const removed = events.flatMap((event) => this.#versions.forgetBefore(event));
    try {
      this.#journal.compact(last.revision, removed);
    } catch (error) {
      this.#fail(error, []);
    }
    this.#history.trim(count);
  }
}

function rowOf({ type, entry }: StoreEvent): JournalRow {
  const { key, value, createRevision, revision } = entry;
  return { revision, key, value, createRevision, deleted: type === "delete" };
}
