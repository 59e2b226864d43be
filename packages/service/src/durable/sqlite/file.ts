// Opens the file that the pods of one machine share: WAL, every commit synced. Several processes have it open at once, and any
// may be killed at any moment. Brings a file of an earlier version up to date; refuses what is not ours, newer, or broken; never deletes.
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { asError, WherryError } from "@wherry/core";
import { sqliteBusyMs } from "../../limits.ts";
import { brokerError } from "../errors.ts";
import { canMigrate, migrate, schema, schemaVersion } from "./schema.ts";

/** "WHRB": tells our files from other SQLite files (https://www.sqlite.org/pragma.html#pragma_application_id). */
const applicationId = 0x57485242;
const pageBytes = 4096;

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
    inTransaction(database, () => create(database, path));
  }
  if (pragma(database, "application_id") !== applicationId) throw notOurs(path);
  if (canMigrate(pragma(database, "user_version")))
    inTransaction(database, () => {
      // Another process may have done it meanwhile.
      const version = pragma(database, "user_version");
      if (canMigrate(version)) migrate(database, version);
    });
  const version = pragma(database, "user_version");
  if (version !== schemaVersion) throw otherVersion(path, version);
}

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
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

function otherVersion(path: string, version: number): WherryError {
  const todo =
    version > schemaVersion
      ? "a later Wherry wrote it: install that version of @wherry/service here, too"
      : "no Wherry wrote such a file: move it away";
  return brokerError(
    "BROKER_REFUSED",
    `expected a broker's file of version ${schemaVersion} at most in ${path}, got ${version}; ${todo}, or name another file with --broker or BROKER_URL`,
  );
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
