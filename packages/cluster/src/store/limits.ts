// Limits of the store.

/** A key: `/registry/<group>/<plural>/<namespace>/<name>`, each part at most 253 characters. */
export const keyCharactersMax = 2_048;

/** One object's JSON. The API refuses bodies above 3 MiB before; this is the last guard. */
export const valueCharactersMax: number = 8 * 1024 * 1024;

/** Rows in one transaction; more wait for the next, so that other work gets a turn. */
export const commitRowsMax = 2_000;

/** Writes accepted and not yet durable. Above it a write is refused with `STORE_BUSY`. */
export const pendingWritesMax = 50_000;

/** Events kept for watches and reads of the past. Above it the oldest are compacted away, whatever their age. */
export const historyEventsMax = 50_000;

/** The same in characters of JSON; what a thousand updates of large objects would take in memory. */
export const historyCharactersMax: number = 64 * 1024 * 1024;

/** By how many events the history may exceed its limits before it is trimmed, so that trimming is not paid for each write. */
export const historySlackEvents = 1_000;

/** Events in one batch of a watch. */
export const watchBatchEventsMax = 1_000;

/** Open watches. */
export const watchesMax = 20_000;

/** Rows removed by one transaction of a compaction; the event loop gets a turn between two. */
export const compactionEventsMax = 1_000;

/** The store's file. 64 GiB: far above what the memory holds, low enough to leave a typical disk usable. */
export const fileBytesMax: number = 64 * 1024 ** 3;
