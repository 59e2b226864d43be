// One daemon a cluster. The lock is the kernel's, taken through SQLite's file locking on an empty database: it goes when
// its process goes, however that ended, so there is no stale lock to recognise and no race in taking one over.
// (https://www.sqlite.org/lockingv3.html) Never writes into the file, never signals anyone.
import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { WherryError } from "@wherry/core";
import { type ClusterPaths, readDaemonInfo } from "./state.ts";

export interface Lock {
  release(): void;
}

/** @param waitMs for one that only looks (`isLocked`). @throws WherryError `DAEMON_RUNNING` when another process, or another daemon of this one, holds it; `STATE_UNUSABLE` */
export function takeLock(paths: ClusterPaths, waitMs = 0): Lock {
  makeFile(paths.lock);
  const database = new DatabaseSync(paths.lock, { timeout: waitMs, open: false });
  try {
    database.open();
    // Nothing is ever written: without a journal there is no second file either.
    database.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch (error) {
    if (database.isOpen) database.close();
    const { message } = error as Error;
    if (!message.includes("locked"))
      throw new WherryError(`${paths.lock} is no lock of ours (${message}). No cluster is running here: remove it`, {
        code: "STATE_UNUSABLE",
        details: { path: paths.lock },
        cause: error,
      });
    const pid = readDaemonInfo(paths)?.pid;
    throw new WherryError(
      `cluster "${paths.name}" is already running${pid === undefined ? "" : ` (pid ${pid})`}: stop it with "wherry down --name ${paths.name}", or choose another --name`,
      { code: "DAEMON_RUNNING", details: { name: paths.name, pid } },
    );
  }
  return { release: () => database.close() };
}

/** Whether a daemon has it, also one that is only starting and has not said so yet. */
export function isLocked(paths: ClusterPaths): boolean {
  if (!existsSync(paths.lock)) return false;
  try {
    takeLock(paths).release();
    return false;
  } catch (error) {
    if (WherryError.is(error, "DAEMON_RUNNING")) return true;
    throw error;
  }
}

/** Forgets all about a cluster, unless a daemon has it. @throws WherryError `DAEMON_RUNNING` */
export function removeState(paths: ClusterPaths): void {
  const lock = takeLock(paths);
  try {
    rmSync(paths.folder, { recursive: true, force: true });
  } finally {
    lock.release();
  }
}

/** Only if it isn't there: closing any descriptor of a locked file would give this process's lock away (fcntl(2)). */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
