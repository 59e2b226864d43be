// The store: MVCC with one growing revision, on SQLite or in memory.
export { type MemoryBackendOptions, openMemoryBackend } from "./memory.ts";
export type * from "./types.ts";
