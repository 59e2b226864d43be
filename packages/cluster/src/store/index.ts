// The store: MVCC with one growing revision, on SQLite or in memory.
export { openMemoryBackend } from "./memory.ts";
export { openSqliteBackend } from "./sqlite.ts";
export type * from "./types.ts";
