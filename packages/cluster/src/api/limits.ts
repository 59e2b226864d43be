// Every limit of the API server, with its unit. Values without a source are ours.

export const limits = {
  /** Evictions that a PodDisruptionBudget's controller has not seen yet (upstream MaxDisruptedPodSize). */
  disruptedPodsMax: 2_000,
  /** A client that evicts is told to come back after so many seconds when a budget's controller has not seen its newest version. */
  budgetRetryAfterSeconds: 10,
  /** A request's body: 3 MiB. kube-apiserver: MaxRequestBodyBytes. */
  bodyBytesMax: 3_145_728,
  /** An object's JSON text as it is stored: 1.5 MiB. etcd's --max-request-bytes. */
  objectBytesMax: 1_572_864,
  /** Messages in messages of a protobuf body. No object that is served passes 20. */
  protobufDepthMax: 100,
  /** A label or field selector, or a continue token, in characters. */
  selectorLengthMax: 65_536,
  continueLengthMax: 4096,
  /** Attempts of an update that a concurrent writer spoiled. apiserver: handlers/patch.go. */
  conflictTriesMax: 5,
  /** Names tried for one `generateName`. apiserver: registry/rest/create.go. */
  generateNameTriesMax: 8,
  /** The prefix of a generated name; five characters follow. apiserver: storage/names/generate.go. */
  generateNamePrefixMax: 58,

  /** Parsed objects kept, over all resources. */
  parsedObjectsMax: 100_000,
  /** Events that each resource keeps in memory for watches that reconnect. Older ones come from the store. */
  watchHistoryEventsMax: 4096,
  /** The same in characters of JSON, 16 Mi: what updates of large objects would take in memory. */
  watchHistoryCharactersMax: 16_777_216,
  /** Events waiting for one slow watcher, beyond which its watch ends. It reconnects where it was. */
  watchQueueEventsMax: 16_384,
  /** The same in characters of JSON, 64 Mi, which may be exceeded by one event. */
  watchQueueCharactersMax: 67_108_864,
  /** Events handed over at once. */
  watchBatchEventsMax: 256,
  /** Watches open at once. */
  watchesMax: 10_000,
  /** Between two bookmarks. apiserver: cacher's bookmarkFrequency. */
  bookmarkEveryMs: 60_000,
  /** A watch without `timeoutSeconds` ends after this to twice this. apiserver: --min-request-timeout. */
  watchTimeoutMinMs: 1_800_000,
  watchTimeoutMaxMs: 86_400_000,
  /** Entries read at once by a paged list with a selector. */
  listChunkEntries: 500,

  /** History older than between this and twice this is forgotten. apiserver: --etcd-compaction-interval. */
  compactEveryMs: 300_000,
  /** Events are removed this long after their last change. apiserver: --event-ttl. */
  eventTtlMs: 3_600_000,
  eventSweepEveryMs: 300_000,

  /** How often the API server's own objects are looked after. kube-apiserver: 10 s. */
  bootstrapEveryMs: 10_000,

  /** Service account tokens. apiserver: serviceaccount token REST. */
  tokenSecondsDefault: 3600,
  tokenSecondsMin: 600,
  tokenSecondsMax: 4_294_967_296,

  /** The HTTPS listener. */
  headerBytesMax: 32_768,
  headersCountMax: 100,
  /** Connections on which nobody has shown a token yet. One more closes the oldest of them. */
  strangerConnectionsMax: 1000,
  /** Connections of users; of administrators. One more is refused. */
  userConnectionsMax: 2000,
  /** Requests being answered (watches and followed logs, which wait, aside): of all users, of one of them; of administrators. */
  requestsInFlightMax: 600,
  requestsInFlightPerUserMax: 300,
  /** Bodies being received: of all users, of one of them; of administrators. */
  bodiesAtOnceMax: 400,
  bodiesAtOncePerUserMax: 100,
  /** Their bytes: 64 MiB, 16 MiB. */
  bodyBytesAtOnceMax: 67_108_864,
  bodyBytesAtOncePerUserMax: 16_777_216,
  /** From a request's headers to the last byte of its body. */
  bodyTimeoutMs: 10_000,
  /** For the TLS handshake; for a request's headers. */
  handshakeTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  /** From the first byte of a request to the last of its body. */
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 90_000,
  /** Responses below this are sent as they are. apiserver: responsewriters' gzip threshold. */
  gzipBytesMin: 131_072,
  /** Warnings of one response, and characters of one. apiserver: warning recorder. */
  warningsMax: 64,
  warningLengthMax: 256,
} as const;
