// Opens the file that the pods of one machine share: WAL, every commit synced. Several processes have it open at once, and any
// may be killed at any moment. Refuses what is not ours or is broken; never repairs, never deletes.
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { asError, WherryError } from "@wherry/core";
import { sqliteBusyMs } from "../../limits.ts";
import { brokerError } from "../errors.ts";

/** "WHRB": tells our files from other SQLite files (https://www.sqlite.org/pragma.html#pragma_application_id). */
const applicationId = 0x57485242;
const schemaVersion = 2;
const pageBytes = 4096;

const schema = `
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

/** @throws WherryError BROKER_UNAVAILABLE: busy. BROKER_REFUSED: no file of ours, broken, too new, or not to be written. */
export async function openBrokerFile(path: string, bytesMax: number): Promise<DatabaseSync> {
  const sqlite = await import("node:sqlite");
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Its owner's alone; SQLite gives its side files the same mode.
    closeSync(openSync(path, "a", 0o600));
    database = new sqlite.DatabaseSync(path, { timeout: sqliteBusyMs });
    prepare(database, path);
    database.exec(`PRAGMA synchronous = FULL; PRAGMA max_page_count = ${Math.floor(bytesMax / pageBytes)}`);
    return database;
  } catch (error) {
    database?.close();
    throw fileError(error, path);
  }
}

function prepare(database: DatabaseSync, path: string): void {
  if (pragma(database, "user_version") === 0) {
    // Outside a transaction, and only ever once: a second process that does the same meets BUSY or finds it done.
    database.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL`);
    database.exec("BEGIN IMMEDIATE");
    try {
      create(database, path);
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }
  if (pragma(database, "application_id") !== applicationId) throw notOurs(path);
  const version = pragma(database, "user_version");
  if (version !== schemaVersion)
    throw brokerError(
      "BROKER_REFUSED",
      `expected a broker's file of version ${schemaVersion} in ${path}, got ${version}; use the Wherry that wrote it, or another file`,
    );
}

/** In a transaction: of two processes that meet a new file, the second finds the first one's tables. */
function create(database: DatabaseSync, path: string): void {
  if (pragma(database, "user_version") !== 0) return;
  const { count } = database.prepare("SELECT count(*) AS count FROM sqlite_master").get() as { count: number };
  if (count > 0) throw notOurs(path);
  database.exec(schema);
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}`);
}

function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>;
  return Number(row[name]);
}

function notOurs(path: string): WherryError {
  return brokerError(
    "BROKER_REFUSED",
    `expected a broker's file in ${path}, got a SQLite file of another program; name another with --broker or BROKER_URL`,
  );
}

/** SQLite's primary result code, the low byte: https://www.sqlite.org/rescode.html */
function codeOf(error: unknown): number {
  return ((error as { errcode?: number }).errcode ?? 0) & 0xff;
}

export function isBusy(error: unknown): boolean {
  const code = codeOf(error);
  return code === 5 || code === 6;
}

/** What went wrong, as the caller shall see it: nothing of the failed transaction was stored. */
export function fileError(error: unknown, path: string): WherryError {
  if (WherryError.is(error)) return error;
  const { message } = asError(error);
  const code = codeOf(error);
  if (isBusy(error))
    return brokerError("BROKER_UNAVAILABLE", `${path} stayed locked by another process; try again`, error);
  if (code === 13)
    return brokerError(
      "BROKER_UNAVAILABLE",
      `${path}: the disk, or the broker's own limit, is full: make room, let pods work off what waits, or purge dead letters`,
      error,
    );
  const todo =
    code === 11 || code === 26
      ? "it is damaged, or no SQLite file: move it away, or name another with --broker or BROKER_URL"
      : `check that ${dirname(path)} can be written and has room`;
  return brokerError("BROKER_REFUSED", `expected to use the broker's file ${path}, got: ${message}; ${todo}`, error);
}
