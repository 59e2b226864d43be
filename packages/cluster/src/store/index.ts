// The store: MVCC with one growing revision, on SQLite or in memory.
export { type MemoryBackendOptions, openMemoryBackend } from "./memory.ts";
export { openSqliteBackend, type SqliteBackendOptions } from "./sqlite.ts";
export type * from "./types.ts";
