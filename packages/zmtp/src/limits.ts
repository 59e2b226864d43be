// Every limit and default of this package, with its unit. What a caller may change is in `SocketOptions`.

/** Defaults of `SocketOptions`, where each is explained. */
export const defaults = {
  /** Bytes of a message, all frames together: 64 MiB. */
  messageBytesMax: 67_108_864,
  /** Frames of a message. */
  messageFramesMax: 10_000,
  /** Messages queued to one peer. */
  peerQueueMessagesMax: 1_000,
  /** Bytes queued to one peer: 16 MiB. */
  peerQueueBytesMax: 16_777_216,
  /** Messages queued to all peers together. */
  sendQueueMessagesMax: 1_000_000,
  /** Bytes queued to all peers together: 1 GiB. */
  sendQueueBytesMax: 1_073_741_824,
  /** Received messages of one peer that wait for the reader. */
  peerReceiveQueueMessagesMax: 1_000,
  /** Their bytes: 16 MiB. */
  peerReceiveQueueBytesMax: 16_777_216,
  /** Received messages of all peers that wait for the reader. */
  receiveQueueMessagesMax: 100_000,
  /** Their bytes: 256 MiB. */
  receiveQueueBytesMax: 268_435_456,
  /**
   * Bytes of messages of which only a part has come, all peers together: 256 MiB, or four messages of the largest size where that is
   * more, so that a few large senders never displace each other.
   */
  receivePartialBytesMax: 268_435_456,
  /** Connections at a time. */
  peersMax: 65_536,
  /** Milliseconds from a connection's start to its READY. */
  handshakeTimeoutMs: 10_000,
  /** Milliseconds that `authenticate` may take. */
  authenticateTimeoutMs: 5_000,
  /** Milliseconds: the first delay's ceiling, before a lost connection is dialled again. */
  reconnectFirstMs: 50,
  /** Milliseconds: the highest ceiling. */
  reconnectMaxMs: 5_000,
  /** Milliseconds in which a closing socket, or connection, flushes what is queued. */
  lingerMs: 1_000,
} as const;

export const limits = {
  /** RFC 28: a routing id is 1 to 255 bytes long. */
  routingIdBytesMax: 255,
  /** A command frame (READY with all its metadata, PING, ERROR). libzmq sends a few hundred bytes at most. */
  commandBytesMax: 65_536, // 64 KiB
  /** RFC 37: the context of a PING, to be returned in the PONG. */
  pingContextBytesMax: 16,
  /** The peer is dropped when nothing came for this many heartbeat intervals. */
  heartbeatMisses: 3,
  /** The part of a frame that is allocated before its bytes arrive; it quadruples from here, up to the announced size. */
  bodyFirstBytes: 262_144, // 256 KiB
  /** The same for a peer that has brought a body of that size: as much as its largest, up to this. */
  bodyProvenBytesMax: 1_048_576, // 1 MiB
  /** What a frame that waits for the rest of its message counts beside its bytes: the view object and its place in the list. */
  frameHeldBytes: 128,
  /** Frames of an unfinished message may keep a received chunk of up to this size; of a larger one only if they are half of it. */
  chunkKeptBytes: 4_096, // 4 KiB
  /** What one read from the network takes at most: the buffer that all sockets share for it. */
  readBufferBytes: 65_536, // 64 KiB
  /** Bodies from this size on are read straight to their place, by reads of their own; of smaller ones a copy costs no more than a read. */
  placedBytesMin: 32_768, // 32 KiB
  /** `busyPollUs`: what polling in vain costs at a time, at most. */
  busyPollUsMax: 10_000,
  /** Polling rests for so long when it was in vain, twice as long each time, up to the second. */
  busyPollRestMsFirst: 1,
  busyPollRestMsMax: 100,
  /** A turn of the loop that brings something only after so long was held up, by others who need the processor: polling would hold them up in turn. */
  busyPollHeldUpMs: 0.05, // 50 µs
  /** Memory that `recycle` keeps for the next large bodies, the whole process; what is above goes back to the system. */
  recycledBytesMax: 67_108_864, // 64 MiB
  /** What one read to a body's place takes at most, so that others get their turn. */
  placedReadBytesMax: 1_048_576, // 1 MiB
  /** One pooled output buffer; a full one is written at once, without waiting for the end of the tick. */
  outputBufferBytes: 65_536, // 64 KiB
  /** Output buffers kept for reuse, per socket. */
  outputBuffersKeptMax: 32,
  /** Frame bodies up to this size are copied before `send` returns; larger ones are written from where they lie. */
  copyBytesMax: 8_192, // 8 KiB
  /** A `writev` ends with the piece that takes it to so many bytes, but never between a header and its body. */
  writeBytesMax: 1_048_576, // 1 MiB
  /** What one tick sends to one peer is written when the oldest of it has waited so long, without waiting for the end of the tick. */
  writeAfterMs: 0.01,
  /** After so many messages to a peer its writer looks at the clock. */
  messagesPerLook: 16,
  /** Peers with unwritten output in one tick; beyond that, all are written at once, so that the buffers stay few. */
  dirtyPeersMax: 128,
  /** `sun_path` on Linux, less its terminating zero. */
  ipcPathBytesMax: 107,
  /** Topics one peer may subscribe to, and their bytes together; a peer that wants more is dropped. */
  peerSubscriptionsMax: 100_000,
  peerSubscriptionBytesMax: 8_388_608, // 8 MiB
  /** `inproc` names, in characters. */
  inprocNameMax: 255,
  /** Idle time before TCP probes whether the other machine still lives. */
  keepAliveDelayMs: 60_000,
  /** Long-term keys that a CURVE server answers to at a time: each costs a HELLO that fits none a scalar multiplication. */
  curveServerKeysMax: 4,
  /** The part of libsodium's heap that CURVE keeps for the frame in work; a larger frame takes more for itself alone. */
  sodiumHeapKeptBytes: 1_114_112, // 1 MiB and 64 KiB
} as const;
