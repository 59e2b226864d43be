// The tables of the broker's file, and how those of an earlier version become those of this one. Nothing is read here, and nothing deleted.
import type { DatabaseSync } from "node:sqlite";

/** Kept in the file as `user_version`. */
export const schemaVersion = 2;

export const schema = `
  CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    key TEXT,
    trace TEXT,
    trace_state TEXT,
    content INTEGER NOT NULL,
    codec TEXT,
    body BLOB,
    published_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    count INTEGER NOT NULL DEFAULT 0,
    owner INTEGER
  ) STRICT;
  CREATE INDEX ready ON message (queue, due_ms, id) WHERE owner IS NULL;
  CREATE INDEX owned ON message (owner) WHERE owner IS NOT NULL;
  CREATE TABLE dead (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    key TEXT,
    trace TEXT,
    trace_state TEXT,
    content INTEGER NOT NULL,
    codec TEXT,
    body BLOB,
    published_ms INTEGER NOT NULL,
    count INTEGER NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    died_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX dead_queue ON dead (queue, id);
  CREATE TABLE seen (
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    id INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (queue, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX seen_until ON seen (until_ms);
  CREATE TABLE consumer (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    process TEXT NOT NULL,
    beat_ms INTEGER NOT NULL
  ) STRICT;`;

/** What makes a file of each version one of the next. Never changed once released: files of that version are out there. */
const steps: Readonly<Record<number, string>> = {
  // Version 1 had bodies without a codec, and traces without a state.
  1: `
  ALTER TABLE message ADD COLUMN trace_state TEXT;
  ALTER TABLE message ADD COLUMN codec TEXT;
  ALTER TABLE dead ADD COLUMN trace_state TEXT;
  ALTER TABLE dead ADD COLUMN codec TEXT;`,
};

/** Can a file of this version be brought up to date? */
export function canMigrate(version: number): boolean {
  return steps[version] !== undefined;
}

/** In the caller's transaction: it is of this version afterwards, or as it was. */
export function migrate(database: DatabaseSync, from: number): void {
  for (let version = from; version < schemaVersion; version++) database.exec(steps[version] ?? "");
  database.exec(`PRAGMA user_version = ${schemaVersion}`);
}
