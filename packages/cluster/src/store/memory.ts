// The store without a disk: for tests and `--ephemeral` clusters. Same core, same promises, except that it ends with its process.
import { noJournal } from "./journal.ts";
import { MvccBackend } from "./mvcc.ts";
import type { Backend } from "./types.ts";

export interface MemoryBackendOptions {
  /** Events kept for watches and reads of the past; `limits.historyEventsMax` when absent. */
  readonly historyEventsMax?: number;
}

export function openMemoryBackend(options: MemoryBackendOptions = {}): Backend {
  return new MvccBackend(noJournal, { ...options, defer: queueMicrotask });
}
