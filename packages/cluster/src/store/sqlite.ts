// The store on disk: one SQLite file, in WAL mode, every acknowledged write synced.
import type { WherryError } from "@wherry/core";
import { MvccBackend } from "./mvcc.ts";
import { openStoreFile } from "./sqlite-file.ts";
import { SqliteJournal } from "./sqlite-journal.ts";
import type { Backend } from "./types.ts";

export interface SqliteBackendOptions {
  /** The file; made, with mode 0600, if it isn't there. Its folder must be. */
  readonly path: string;
  /** Called once when the disk failed: every write is refused from then on. The process should end, and start anew. */
  readonly onFailure?: (error: WherryError) => void;
  /** Events kept for watches and reads of the past; `limits.historyEventsMax` when absent. */
  readonly historyEventsMax?: number;
  /** The file's greatest size; `limits.fileBytesMax` when absent. */
  readonly fileBytesMax?: number;
}

/**
 * Opens or makes the store, and reads all of it into memory.
 * @throws WherryError `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_TOO_NEW` or `STORE_FAILED`, with what to do in its message.
 */
export async function openSqliteBackend(options: SqliteBackendOptions): Promise<Backend> {
  const { path, fileBytesMax, onFailure, historyEventsMax } = options;
  const database = openStoreFile({ path, ...(fileBytesMax === undefined ? {} : { bytesMax: fileBytesMax }) });
  try {
    return new MvccBackend(new SqliteJournal(database, path), {
      // All writes of one turn of the event loop share a transaction, hence one sync of the disk.
      defer: setImmediate,
      ...(onFailure === undefined ? {} : { onFailure }),
      ...(historyEventsMax === undefined ? {} : { historyEventsMax }),
    });
  } catch (error) {
    database.close();
    throw error;
  }
}
