// Limits of the control-loop kit. Where client-go has the same number, its name is given.

/** First back-off of a failed key; doubles with each failure (DefaultControllerRateLimiter). */
export const keyBackoffMs = 5;
/** Longest back-off of a failed key. client-go takes 1000 s; here a person waits. */
export const keyBackoffMsMax = 30_000;

/** How long a loop's workers may hold the event loop before everyone else gets a turn. */
export const workerSliceMs = 8;

/** First wait after a lost list or watch; doubles, and up to twice of it by jitter (reflector: backoff 0.8 s → 30 s). */
export const relistBackoffMs = 800;
export const relistBackoffMsMax = 30_000;
/** A watch that lived so long, or brought anything, starts the back-off anew. */
export const watchQuietMs = 5_000;

/** Objects per page of a list. */
export const listPageObjects = 2_000;

/** A watch is asked to end after this and up to twice of it, so that watches spread (reflector: minWatchTimeout). */
export const watchTimeoutSeconds = 300;
/** How much later than asked a server may end a watch before the client does it: the connection is dead, then. */
export const watchOverdueMs = 15_000;

/** Expected creates and deletes that were not seen after so long are given up (ExpectationsTimeout). */
export const expectationsMs: number = 5 * 60_000;

/** Different events that are remembered for counting (maxLruCacheEntries). */
export const eventsRememberedMax = 4_096;
/** How long the same event counts up instead of being a new one (defaultAggregateIntervalInSeconds). */
export const eventWindowMs: number = 10 * 60_000;
/** Events that wait to be sent; further ones are dropped. */
export const eventsQueuedMax = 1_000;
/** A burst of events about one object, and how long one of them takes to come back (EventSourceObjectSpamFilter). */
export const eventBurstMax = 25;
export const eventRefillMs: number = 5 * 60_000;
/** Tries of one event while the server can't be reached, and the wait between them. */
export const eventTriesMax = 3;
export const eventRetryMs = 1_000;
/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/: `note` */
export const eventMessageCharactersMax = 1_024;
