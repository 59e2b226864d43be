// The journal on SQLite: one append-only table of versions, one transaction a batch. Knows nothing of visibility or watches.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { storeError, corruptError } from "./sqlite-file.ts";
import type { Journal, JournalContents, JournalRow } from "./journal.ts";
import type { Revision } from "./types.ts";

/** Free pages that one compaction step gives back to the file system, so that a file that once was large shrinks. */
const vacuumPages = 256;

interface LogRow {
  readonly revision: number;
  readonly key: string;
  readonly value: string;
  readonly create_revision: number;
  readonly deleted: number;
}

export class SqliteJournal implements Journal {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  readonly #compacted: StatementSync;

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
    this.#insert = database.prepare("INSERT INTO log VALUES (?, ?, ?, ?, ?)");
    this.#remove = database.prepare("DELETE FROM log WHERE revision = ?");
    this.#compacted = database.prepare("UPDATE meta SET value = ? WHERE name = 'compact_revision'");
  }

  load(): JournalContents {
    const meta = this.#database.prepare("SELECT value FROM meta WHERE name = 'compact_revision'").get();
    const compactRevision = (meta as { value: number } | undefined)?.value;
    if (compactRevision === undefined) throw corruptError(this.#path, "a store without its compact revision");
    return { compactRevision, rows: this.#rows(compactRevision) };
  }

  commit(rows: readonly JournalRow[]): void {
    this.#transaction(() => {
      for (const { revision, key, value, createRevision, deleted } of rows)
        this.#insert.run(revision, key, value, createRevision, deleted ? 1 : 0);
    });
  }

  compact(through: Revision, removed: readonly Revision[]): void {
    this.#transaction(() => {
      for (const revision of removed) this.#remove.run(revision);
      this.#compacted.run(through);
    });
    this.#guard(() => this.#database.exec(`PRAGMA incremental_vacuum(${vacuumPages})`));
  }

  close(): void {
    this.#guard(() => this.#database.close());
  }

  *#rows(compactRevision: Revision): Generator<JournalRow, void, undefined> {
    let expected = compactRevision + 1;
    try {
      const all = this.#database.prepare("SELECT * FROM log ORDER BY revision").iterate();
      for (const row of all as unknown as Iterable<LogRow>) {
        const { revision, key, value, create_revision: createRevision, deleted } = row;
        if (revision > compactRevision && revision !== expected++)
          throw corruptError(this.#path, `revision ${revision} where ${expected - 1} should follow`);
        yield { revision, key, value, createRevision, deleted: deleted === 1 };
      }
    } catch (error) {
      throw storeError(error, this.#path);
    }
  }

  #transaction(body: () => void): void {
    this.#guard(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        body();
        this.#database.exec("COMMIT");
      } catch (error) {
        // SQLite has rolled back by itself after some errors: then there is nothing left to roll back.
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  #guard(body: () => void): void {
    try {
      body();
    } catch (error) {
      throw storeError(error, this.#path);
    }
  }
}
