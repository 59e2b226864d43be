// Opens the store's SQLite file: makes it when it is new, and refuses what is not ours, is broken or is in use, each with one
// clear error. Never repairs and never deletes: that is the user's decision.
import { closeSync, existsSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asError, WherryError } from "@wherry/core";
import { fileBytesMax } from "./limits.ts";

/** "WHRY": tells our files from other SQLite files (https://www.sqlite.org/pragma.html#pragma_application_id). */
const applicationId = 0x57485259;
const pageBytes = 4096;

/** One step per schema version: step n brings a file from version n to n + 1. Steps are only ever added. */
const upgrades: readonly string[] = [
  `CREATE TABLE log (
     revision INTEGER PRIMARY KEY,
     key TEXT NOT NULL,
     value TEXT NOT NULL,
     create_revision INTEGER NOT NULL,
     deleted INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   INSERT INTO meta VALUES ('compact_revision', 0);`,
];

export interface StoreFileOptions {
  readonly path: string;
  /** The file's greatest size; `limits.fileBytesMax` when absent. */
  readonly bytesMax?: number;
}

/**
 * @throws WherryError `STORE_LOCKED`: another process has it open. `STORE_CORRUPT`: no store of Wherry's, or a damaged one.
 *         `STORE_TOO_NEW`: written by a newer Wherry. `STORE_FAILED`: the file system refused.
 */
export function openStoreFile({ path, bytesMax = fileBytesMax }: StoreFileOptions): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    createPrivate(path);
    database = new DatabaseSync(path);
    lock(database);
    const version = identify(database, path);
    configure(database, version, bytesMax);
    upgrade(database, version);
    return database;
  } catch (error) {
    database?.close();
    throw storeError(error, path);
  }
}

/** What went wrong, as the caller shall see it. */
export function storeError(error: unknown, path: string): WherryError {
  if (WherryError.is(error)) return error;
  const { message } = asError(error);
  // The low byte is the primary code: https://www.sqlite.org/rescode.html
  const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  const corrupt = code === 11 || code === 26;
  if (corrupt) return corruptError(path, message, error);
  if (code === 5 || code === 6)
    return new WherryError(
      `expected to be the only one with ${path} open, but another process has it: stop that one (wherry down)`,
      { code: "STORE_LOCKED", details: { path }, cause: error },
    );
  const advice =
    code === 13
      ? "the disk, or the store's own limit, is full: make room"
      : `check that the folder ${dirname(path)} exists, is writable and has room`;
  return new WherryError(`expected to write ${path}, got: ${message}; ${advice}`, {
    code: "STORE_FAILED",
    details: { path },
    cause: error,
  });
}

export function corruptError(path: string, what: string, cause?: unknown): WherryError {
  return new WherryError(
    `expected the store of a Wherry cluster in ${path}, got: ${what}; move the file away to start with an empty cluster, ` +
      "or put a backup in its place",
    { code: "STORE_CORRUPT", details: { path }, cause },
  );
}

/** SQLite gives its side files (-wal) the mode of the main file, so this makes all of them private. */
function createPrivate(path: string): void {
  if (existsSync(path)) {
    if (!statSync(path).isFile()) throw corruptError(path, "no regular file");
    return;
  }
  closeSync(openSync(path, "wx", 0o600));
}

/** Before anything is read: then two processes can't both think that the file is theirs, and WAL needs no -shm file. */
function lock(database: DatabaseSync): void {
  database.exec("PRAGMA locking_mode = EXCLUSIVE");
  database.exec("BEGIN EXCLUSIVE; COMMIT");
}

/** The schema version, 0 of a new file. Writes nothing, so that what is refused stays as it is. */
function identify(database: DatabaseSync, path: string): number {
  const owner = pragma(database, "application_id");
  const version = pragma(database, "user_version");
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_master").get() as { count: number };
  if (tables.count === 0 && owner === 0 && version === 0) return 0;
  if (owner !== applicationId) throw corruptError(path, "a SQLite file of another program");
  if (version <= upgrades.length) return version;
  throw new WherryError(
    `expected a store of schema version ${upgrades.length} or older in ${path}, got ${version}: ` +
      "it was written by a newer Wherry, use that one",
    { code: "STORE_TOO_NEW", details: { path, version } },
  );
}

function configure(database: DatabaseSync, version: number, bytesMax: number): void {
  if (version === 0) {
    // Only a file without tables takes these.
    database.exec(`PRAGMA page_size = ${pageBytes}`);
    database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  }
  database.exec("PRAGMA journal_mode = WAL");
  // FULL: a commit returns when the WAL is on the disk, so an acknowledged write survives a power cut, too.
  database.exec("PRAGMA synchronous = FULL");
  database.exec(`PRAGMA max_page_count = ${Math.floor(bytesMax / pageBytes)}`);
}

function upgrade(database: DatabaseSync, version: number): void {
  for (let from = version; from < upgrades.length; from++)
    database.exec(
      `BEGIN; ${upgrades[from]} PRAGMA user_version = ${from + 1}; PRAGMA application_id = ${applicationId}; COMMIT`,
    );
}

function pragma(database: DatabaseSync, name: "application_id" | "user_version"): number {
  return (database.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[name] ?? 0;
}
