// Where rows become durable, below the MVCC core. The core decides everything (revisions, comparisons, visibility); a
// journal only keeps rows in order and gives them back at the next start.
import type { Revision } from "./types.ts";

/** One write. */
export interface JournalRow {
  readonly revision: Revision;
  readonly key: string;
  /** The object's JSON; of a delete, the last version as watchers see it. */
  readonly value: string;
  readonly createRevision: Revision;
  readonly deleted: boolean;
}

export interface JournalContents {
  /** Rows at or below it are there only as far as they are the newest of their key. */
  readonly compactRevision: Revision;
  /** By revision, ascending. Above `compactRevision` without a gap. */
  readonly rows: Iterable<JournalRow>;
}

/** All calls are synchronous, never overlap, and throw a `WherryError` `STORE_FAILED` when the disk does not do its part. */
export interface Journal {
  /** Once, before anything else. */
  load(): JournalContents;
  /** On return all rows are durable; when it throws, none of them may ever be seen as written. */
  commit(rows: readonly JournalRow[]): void;
  /** Removes rows and moves the compact revision, in one transaction. */
  compact(through: Revision, removed: readonly Revision[]): void;
  close(): void;
}

/** Keeps nothing: for a store that lives as long as its process. */
export const noJournal: Journal = {
  load: () => ({ compactRevision: 0, rows: [] }),
  commit: () => undefined,
  compact: () => undefined,
  close: () => undefined,
};
