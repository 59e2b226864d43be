// Every limit of the service framework, by name and unit. What a user may change says so where it is an option.

/** Bytes of one request's or reply's body. */
export const bodyBytesMax: number = 8 * 1024 * 1024;
/** Bytes of one message on the wire, all frames together: a body and its header. */
export const messageBytesMax: number = bodyBytesMax + 4096;
/** Bytes of a method name, an idempotency key, a trace parent, a service name: each is prefixed by one length byte. */
export const textBytesMax = 255;

/** Requests that wait in a server for a free slot; the next one is answered BUSY. Default of the option `queueMax`. */
export const queueRequestsMaxDefault = 1000;
/** Messages, and bytes, queued to one peer that doesn't read; beyond it the peer is dropped. */
export const peerQueueMessagesMax = 10_000;
export const peerQueueBytesMax: number = 64 * 1024 * 1024;
/** Milliseconds that synchronous handlers may hold the event loop before others (pings, reads, timers) get a turn. */
export const sliceMs = 2;

/** Credit: requests that one client may have outstanding at one pod. It follows the measured service time. */
export const creditInitial = 16;
export const creditMin = 2;
export const creditMax = 256;
/** Milliseconds of work that a client's credit should cover: enough to hide a round trip, little enough to lose. */
export const creditTargetMs = 5;
/** Milliseconds between two looks at the credit. */
export const creditIntervalMs = 100;

/** Milliseconds from SIGTERM until what is unanswered is handed back. */
export const drainTimeoutMsDefault = 5000;
/** Milliseconds that a pod stays after SIGTERM even if nobody is connected: the time that its endpoint needs to vanish. */
export const drainMinimumMsInCluster = 1000;
/** Milliseconds without a message after which a plain ZeroMQ peer, which cannot say BYE, counts as gone. */
export const rawQuietMs = 100;
/** Milliseconds between two warnings that plain ZeroMQ peers were turned away: each comes back as often as it likes. */
export const rawWarningIntervalMs = 60_000;
/** Milliseconds between two looks at whether the drain is done. */
export const drainPollMs = 10;
/** Milliseconds that replies get to reach the kernel before the process ends: after a drain, and after a crash. */
export const flushMs = 1000;
export const crashFlushMs = 500;
/** Milliseconds past its deadline after which a running request that holds the last free slot makes a service stuck. */
export const stuckMs = 30_000;

/** Milliseconds a call takes at most, over all attempts, when its caller says nothing. */
export const deadlineMsDefault = 5000;
/** Calls that wait in one client for an endpoint with credit; the next one fails with BUSY. */
export const waitingCallsMax = 10_000;
/** Attempts of one call, the first included. It travels in one byte. */
export const attemptsMax = 255;
/** Milliseconds: first and longest pause before an attempt that did not find another endpoint at once. */
export const retryFirstMs = 10;
export const retryMaxMs = 500;
/** Retries of maybe-executed calls: a tenth of the calls, and as many saved up as two dying pods can have outstanding. */
export const retryBudgetRatio = 0.1;
export const retryBudgetMax: number = 2 * creditMax;
/** Milliseconds between two pings of an endpoint, and without an answer until others are preferred to it. */
export const pingIntervalMs = 1000;
export const pingSuspectMs = 1000;
/** Milliseconds that calls rather wait for a ready endpoint's first connection than go to a pod that leaves. */
export const connectPatienceMs = 250;
/** Milliseconds for which a connection stays that only calls with `to` use. */
export const extraIdleMs = 60_000;
/** Pods that may end while they have one call, before it fails. Default of the option `retry.crashes`. */
export const crashesMaxDefault = 2;
/** Hedges of one call: default, and most, of the option `hedge.max`. */
export const hedgesMaxDefault = 1;
export const hedgesMax = 5;
/** Times of answers that a percentile is taken of: kept, needed at least, and new ones until it is taken again. */
export const latencySamples = 256;
export const latencySamplesMin = 20;
export const latencySamplesPerLook = 16;
/** Milliseconds in which an endpoint's measured time decays to a third, for the balancer. */
export const latencyDecayMs = 10_000;
/** Pods that died and connections that broke at an endpoint, one after the other, until it is ejected. Default of `outliers.failures`. */
export const outlierFailures = 5;
/** Share of an endpoint's calls that fail, until it is ejected; of at least so many calls, in so many milliseconds. */
export const outlierFailureShare = 0.5;
export const outlierCallsMin = 20;
export const outlierWindowMs = 10_000;
/** Milliseconds of an endpoint's first ejection, of its longest, and without one until the next counts as the first. */
export const outlierEjectFirstMs = 1000;
export const outlierEjectMaxMs = 60_000;
export const outlierForgetMs = 60_000;
/** Share of the endpoints that may be ejected at once; but always one of two or more. */
export const outlierEjectedShareMax = 0.5;
/** A circuit breaker's defaults: share of failures that opens it, calls at least, milliseconds that it looks back and stays open. */
export const breakerFailureShare = 0.5;
export const breakerCallsMin = 20;
export const breakerWindowMs = 10_000;
export const breakerOpenMs = 2000;
/** Endpoints that one client connects to. */
export const endpointsMax = 500;
/** Endpoints that one client uses when there are many. Default of the option `subset`. */
export const subsetSizeDefault = 20;
/** Ready endpoints from which a client uses a subset, and below which it uses all again. */
export const subsetFromEndpoints = 100;
export const subsetUntilEndpoints = 50;
/** Milliseconds between two resolutions of a DNS name; and between two at least, however many connections break. */
export const dnsIntervalMs = 10_000;
export const dnsIntervalMinMs = 1000;
/** Milliseconds until an unanswered resolution counts as failed. */
export const dnsTimeoutMs = 5000;
/** Milliseconds: first and longest pause between two tries of a lost EndpointSlice watch. */
export const watchRetryFirstMs = 100;
export const watchRetryMaxMs = 5000;

/** Bytes of the file of `--config`, and of a file with a secret. */
export const configFileBytesMax: number = 1024 * 1024;
export const secretFileBytesMax: number = 64 * 1024;

/** Milliseconds that the event loop may be blocked before the log names the stack. Default of the setting `blockedMs`. */
export const blockedMsDefault = 1000;
