// `@wherry/service/dedupe`: keyed calls that are executed once. An entry point of its own, for services that need it.
export { claimLost, claimOf, type OpenClaim } from "./claims.ts";
export { memoryStore, type MemoryStoreOptions } from "./memory-store.ts";
export { type SqliteStore, sqliteStore, type SqliteStoreOptions } from "./sqlite-store.ts";
export type { Begun, Claim, KeyedCall, KeyStore, StoredResult } from "./types.ts";
