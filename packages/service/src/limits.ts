// Every limit of the service framework, by name and unit. What a user may change says so where it is an option.

/** Bytes of one request's or reply's body. */
export const bodyBytesMax: number = 8 * 1024 * 1024;
/** Lists and objects inside each other in a body that a service takes: deeper ones exhaust the stack of what checks or writes them. */
export const bodyDepthMax = 256;
/** Characters that a caller is told of one issue with its body, and of an error's message: both may quote the body. */
export const issueCharactersMax = 500;
export const errorMessageCharactersMax = 8192;
/** Bytes of one message on the wire, all frames together: a body and its header. */
export const messageBytesMax: number = bodyBytesMax + 4096;
/** Bytes of a method name, an idempotency key, a trace parent, a service name: each is prefixed by one length byte. */
export const textBytesMax = 255;

/** Requests that wait in a server for a free slot; the next one is answered BUSY. Default of the option `queueMax`. */
export const queueRequestsMaxDefault = 1000;
/**
 * Bytes of the bodies that a service holds for its callers: of requests and raw messages that wait so, of HTTP requests that are half
 * received or unanswered, of durable calls that the broker has not confirmed; one beyond is answered BUSY. One alone always has room.
 */
export const bodiesBytesMax: number = 256 * 1024 * 1024;
/** Connections to the messaging port; fewer where the process may not have so many files open. Each takes some 12 KiB. */
export const peersMax = 65_536;
/** Files and sockets of those that a process may have open that its ports leave for all else: the admin port, brokers, logs. */
export const openFilesReserve = 256;
/**
 * Milliseconds that a peer has from its connection on to say HELLO, or to send a raw message, and after each PING before that; then it is
 * disconnected. Where there is a raw handler, only when three quarters of the connections are taken.
 */
export const silentPeerMs = 10_000;
/** Peers that are disconnected for silence in one go, and milliseconds until the next: a flood of them holds nobody up. */
export const silentPeersPerLook = 500;
export const silentPeersPauseMs = 10;
/** Messages, and bytes, queued to one peer that doesn't read; beyond it the peer is dropped. */
export const peerQueueMessagesMax = 10_000;
export const peerQueueBytesMax: number = 64 * 1024 * 1024;
/** Bytes queued to all peers together; beyond it those for whom most waits are dropped, so that the others have room. */
export const outgoingBytesMax: number = 512 * 1024 * 1024;
/**
 * The last part of what all clients share (places in the queue, streams, bytes of bodies, connections, keys in memory): of it, a client may have no
 * more than is left for others. A client: a key where the service encrypts, else the machine or pod that the connection comes from.
 */
export const sharedReserve = 0.25;
/** Clients that have left and had something of that still: so many are known before it is looked which of them have it yet. */
export const partiesLeftMin = 64;
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

/** Streams that run at the same time in one service, beside its requests; the next is answered BUSY. Default of `streamsMax`. */
export const streamsMaxDefault = 100;
/** A stream's window, each direction: items, and bytes, that may be on their way to a reader that has not taken them. The last one may exceed the bytes. */
export const streamWindowItems = 255;
export const streamWindowBytes: number = 256 * 1024;
/** Bytes of items of all streams of one connection that are on their way in one direction; beyond it they wait for their readers. */
export const streamConnectionBytesMax: number = 32 * 1024 * 1024;
/** Milliseconds without an answer to a ping after which an endpoint's streams count as broken: nobody else would tell. */
export const streamSilenceMs = 30_000;

/** Messages, and bytes, queued to a subscriber that doesn't keep up; beyond it, it misses events. */
export const eventQueueMessagesMax = 1000;
export const eventQueueBytesMax: number = 8 * 1024 * 1024;
/** Bytes that wait for all subscribers of a topic together; from half of it on, those for whom more than an equal part of that waits miss events. */
export const eventQueuesBytesMax: number = 256 * 1024 * 1024;
/** Milliseconds between two looks at whether a subscriber that missed events has caught up, to be told how many. */
export const eventCatchUpMs = 100;
/** Events that wait in a client for its loop to take them; beyond it, it misses some. Default of `bufferMax`. */
export const eventBufferMaxDefault = 1000;

/** Milliseconds from SIGTERM until what is unanswered is handed back. */
export const drainTimeoutMsDefault = 5000;
/** Milliseconds that a pod stays after SIGTERM even if nobody is connected: the time that its endpoint needs to vanish. */
export const drainMinimumMsInCluster = 1000;
/** Milliseconds without a message after which a plain ZeroMQ peer, which cannot say BYE, counts as gone. */
export const rawQuietMs = 100;
/** Milliseconds between two warnings that plain ZeroMQ peers were turned away: each comes back as often as it likes. */
export const rawWarningIntervalMs = 60_000;
/** Milliseconds between two looks at whether the shell that npm started the service with still lives. */
export const parentPollMs = 250;
/** Milliseconds between two looks at whether the drain is done. */
export const drainPollMs = 10;
/** Milliseconds that replies get to reach the kernel before the process ends: after a drain, and after a crash. */
export const flushMs = 1000;
export const crashFlushMs = 500;
/** Milliseconds past its deadline after which a running request that holds the last free slot makes a service stuck. */
export const stuckMs = 30_000;

/** RabbitMQ: keys of the window that a publisher remembers; those that it reads before it says so; bytes of a file of them. */
export const rabbitKeysMax = 1_000_000;
export const rabbitKeysUnackedMax = 512;
export const rabbitKeysSegmentBytes = 8_000_000;
/** Milliseconds between two tries to read a stream of keys that is being made. */
export const rabbitKeysPauseMs = 50;
/** Milliseconds after which a claim of a key that nobody has answered is written again. */
export const rabbitKeysInsistMs = 1000;
/** Durable calls: deliveries of a message after its first before it is a dead letter. Default of the option `redeliveriesMax`. */
export const redeliveriesMaxDefault = 5;
/** The most that `redeliveriesMax` can be, and deliveries after which a server of its own gives up, should all else fail. */
export const redeliveriesMax = 50;
export const brokerDeliveriesMax = 100;
/** Milliseconds: first and longest pause before a message whose handler failed is delivered again. */
export const redeliverFirstMs = 100;
export const redeliverMaxMs = 30_000;
/** Milliseconds in which a second durable call with the same key is a duplicate. */
export const dedupeWindowMs: number = 10 * 60_000;
/** Milliseconds that one delivery may run before its handler's signal aborts. Default of the option `maxRunMs`. */
export const maxRunMsDefault: number = 10 * 60_000;
/** Characters kept of why a message died. */
export const deadReasonCharactersMax = 1000;
/** Milliseconds: a broker's connection, its answer to a publish, and one request for a message, at most. */
export const brokerConnectMs = 5000;
export const brokerConfirmMs = 10_000;
export const brokerPullMs = 20_000;
/** Milliseconds: first and longest pause between two tries of a broker that is away. */
export const brokerReconnectFirstMs = 100;
export const brokerReconnectMaxMs = 5000;
/** Milliseconds for which what a broker said of its queues is told again, and that one who asks waits for it. */
export const queuesFreshMs = 2000;
export const queuesAnswerMs = 1000;
/** Milliseconds without a sign of life after which NATS gives a message to another pod. */
export const brokerAckWaitMs = 30_000;
/**
 * What a NATS server that was killed has left behind: the longest pause between two looks, milliseconds; acknowledgements of what is gone
 * that are made before it is asked how many are left; and messages of a queue that wait to be claimed, in the memory of a pod.
 */
export const natsLeftoversPauseMs = 10_000;
export const natsGonePage = 1000;
export const natsUnclaimedMax = 10_000;
/** Milliseconds that pods have to claim what they finished, before it is run again; and what each remembers, in messages of a queue. */
export const natsUnclaimedMs = 30_000;
export const natsFinishedMax = 10_000;
/** Milliseconds before a stream or consumer of NATS that somebody deleted is made again. */
export const natsMakeAgainMs = 1000;
/** Partitions of a durable method's topics in Kafka: as many of its messages run at a time, at most. Default of `?partitions=`. */
export const kafkaPartitionsDefault = 6;
/** Messages fetched ahead for each partition, bytes of one fetch, and milliseconds that Kafka waits for the first of them. */
export const kafkaBufferMax = 64;
export const kafkaFetchBytesMax: number = 16 * 1024 * 1024;
export const kafkaFetchMs = 500;
/** Milliseconds until a consumer in Kafka looks again whether it has room, or partitions. */
export const kafkaIdleMs = 20;
/** Milliseconds: a member of a Kafka group shows life, is taken for dead, and may take to join again. */
export const kafkaHeartbeatMs = 2000;
export const kafkaSessionMs = 30_000;
export const kafkaRebalanceMs = 60_000;
/** Keys remembered for each partition, and commits after which what is done is deleted. */
export const kafkaKeysMax = 100_000;
export const kafkaTrimEvery = 1000;
/** The embedded broker's file: its bytes at most, and writes that share one commit. */
export const sqliteBytesMaxDefault: number = 1024 * 1024 * 1024;
export const sqliteBatchMax = 256;
/** Milliseconds that SQLite itself waits for another process's commit, and after which a write that found it locked gives up. */
export const sqliteBusyMs = 20;
export const sqliteLockedMs = 10_000;
/** Milliseconds between two looks at a file that tells no news, between two signs of life, and without one until a consumer is dead. */
export const sqlitePollMs = 500;
export const sqliteBeatMs = 5000;
export const sqliteLeaseMs = 30_000;
/** Milliseconds until a message that could not be settled, for a full disk, is tried again. */
export const sqliteSettleRetryMs = 1000;

/** Milliseconds a call takes at most, over all attempts, when its caller says nothing. */
export const deadlineMsDefault = 5000;
/** Calls that wait in one client for an endpoint with credit; the next one fails with BUSY. */
export const waitingCallsMax = 10_000;
/** A call that waits in line is not sent any more when what is left of its time is less than answers take now, at most this share of it. */
export const tooLateShareMax = 0.25;
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

/** Milliseconds between two looks at whether the clients of an encrypted service, who are connected, may be so still. */
export const standingKeysLookMs = 1000;

/** Milliseconds that the event loop may be blocked before the log names the stack. Default of the setting `blockedMs`. */
export const blockedMsDefault = 1000;
/** Microseconds: the most that `busyPollUs` may be, as `@wherry/zmtp` has it. */
export const busyPollUsMax = 10_000;
/** Milliseconds of work after which a process's event loop is watched by a thread; before it, between two looks at that. */
export const busyBeforeWatchedMs = 1000;
export const idleBeatMs = 1000;
/** Milliseconds between two records with the stack of a blocked event loop, and frames in one. */
export const blockedRecordIntervalMs = 5000;
export const blockedStackFramesMax = 30;
/** Milliseconds until a main thread that doesn't pause is taken to be in native code. */
export const pauseTimeoutMs = 1000;

/** Connections to the admin port; milliseconds that its clients have to send their headers, and the whole request. */
export const adminConnectionsMax = 128;
export const adminHeadersTimeoutMs = 5000;
export const adminRequestTimeoutMs = 10_000;
/** Bytes of an HTTP request's line and headers. */
export const httpHeaderBytesMax: number = 16 * 1024;
/** The part of `bodiesBytesMax` that HTTP requests may have: who uploads slowly keeps nobody else out. */
export const httpBodiesBytesMax: number = 128 * 1024 * 1024;
/** HTTP connections; those beyond are closed at once. */
export const httpConnectionsMax = 10_000;
/** Requests that one HTTP connection may have unanswered (it pipelines them); the next is answered BUSY. */
export const httpPipelineMax = 64;
/** Milliseconds that an HTTP client has to send its headers, and its whole request. */
export const httpHeadersTimeoutMs = 10_000;
export const httpRequestTimeoutMs = 60_000;
/** Milliseconds between two looks at who exceeds them. */
export const httpTimeoutCheckMs = 5000;
/** Milliseconds that an idle HTTP connection is kept: longer than proxies keep theirs, so that it is they who close. */
export const httpKeepAliveMs = 75_000;
/** Milliseconds in which an HTTP client that has an answer waiting must take some of it. */
export const httpStallMs = 30_000;
/**
 * Milliseconds that the requests of an HTTP client go on that has closed its side of the connection: it may wait for its answer still
 * (`nc -N`, some proxies), or be gone, which looks the same. Then they are cancelled; a stream is at once.
 */
export const httpHalfClosedMs = 1000;
/** Milliseconds after which a stream that has said nothing yet begins its answer: until then its failure has a status of its own. */
export const httpStreamHeadMs = 200;
/** Milliseconds between the comments in a stream of Server-Sent Events, for proxies that close what is silent. */
export const httpBeatMs = 15_000;
/** Milliseconds without a request after which a draining service takes an HTTP client for done, and closes its connection. */
export const httpQuietMs = 1000;
/** Milliseconds without a new connection or request after which an ending service stops listening for HTTP. */
export const httpDoorMs = 50;
/** Milliseconds: the longest deadline that an HTTP client may ask for. */
export const httpDeadlineMsMax = 3_600_000;
/** Milliseconds that the result of a keyed call is kept: a repetition after that is executed again. */
export const keyTtlMsDefault: number = 24 * 60 * 60 * 1000;
/** Milliseconds after which a keyed call's execution counts as dead, where its process cannot be looked at. */
export const keyLeaseMsDefault = 30_000;
/**
 * Milliseconds that a file of keys may stay locked by another process: for so long a call waits while the event loop goes on; and `commit`,
 * which is synchronous, holds the event loop for so long at most.
 */
export const keyStoreLockedMs = 10_000;
export const keyStoreBusyMs = 1000;
/** Keys that a store in memory keeps, of one caller no more than its share; a call with a further one is answered BUSY. */
export const keysInMemoryMax = 100_000;
/** Bytes of their results and keys; a call with a further key is answered BUSY. One result may exceed it. */
export const keysInMemoryBytesMax: number = 64 * 1024 * 1024;
/** Milliseconds: first and longest pause between two looks whether the first call with a key is done. */
export const duplicatePollFirstMs = 2;
export const duplicatePollMaxMs = 50;

/** Characters of one value in a record's text; its field has all of it. */
export const templateValueCharsMax = 1000;
/** Characters of one field that could be read only with care: it is cyclic, or holds what JSON has no form for. */
export const readableCharsMax = 10_000;
/** Message templates that are kept taken apart. */
export const templateCacheMax = 1000;
/** Records logged before `run` that wait for it, and milliseconds that they do. */
export const heldRecordsMax = 1000;
export const heldRecordsMs = 100;

/** Records, and bytes, that wait for one log sink; beyond them records go to stdout. */
export const sinkQueueRecordsMax = 10_000;
export const sinkQueueBytesMax: number = 8 * 1024 * 1024;
/** Records, and bytes, after which a batch is sent. */
export const sinkBatchRecordsMax = 500;
export const sinkBatchBytesMax: number = 512 * 1024;
/** Milliseconds that a record waits for others to be sent with. */
export const sinkLingerMs = 200;
/** Milliseconds until an aggregator's answer is given up, then first and longest pause before the next try. */
export const sinkTimeoutMs = 5000;
export const sinkRetryFirstMs = 200;
export const sinkRetryMaxMs = 30_000;
/** Milliseconds that an aggregator may ask to be left alone (`Retry-After`). */
export const sinkRetryAfterMaxMs: number = 10 * 60_000;
/** Bytes of one message of an aggregator's handshake. */
export const sinkHandshakeBytesMax = 4096;
/** Times that one record is sent to an aggregator that takes the others. */
export const sinkAttemptsMax = 3;
/** Bytes of an aggregator's answer. */
export const sinkAnswerBytesMax: number = 1024 * 1024;
/** Milliseconds that the sinks get at the process's end; then the rest goes to stdout. */
export const sinkFlushMs = 1000;

/** Sets of labels of one metric of a service's own; more are counted together. */
export const metricSeriesMax = 1000;

/** Share of the queue, and milliseconds of the event loop's lag, from which a service calls itself overloaded. */
export const overloadQueueShare = 0.8;
export const overloadLagMs = 500;
