// Who is connected to a socket, why one left or never came, and what happens to connections otherwise. Types only.

/** One live connection. The object stays the same as long as the connection does. */
export interface Peer {
  /** Unique within the process, never reused. */
  readonly id: number;
  /** The routing id: what the peer announced, else generated here (ROUTER, RFC 28). */
  readonly routingId: Uint8Array;
  /** `tcp://127.0.0.1:53211` or `ipc:///run/x.sock`: the other end, or the endpoint connected to. */
  readonly address: string;
  /** READY metadata of the peer: `Socket-Type`, `Identity`, … (RFC 23 §Connection metadata). */
  readonly metadata: ReadonlyMap<string, string>;
  /** Who it has proven to be: PLAIN's user name, CURVE's public key in Z85, or what `authenticate` made of that. */
  readonly userId?: string | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Messages accepted by `send` that the kernel has not taken yet. */
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Messages of this peer that wait for the reader. */
  readonly receiveQueueMessages: number;
  readonly receiveQueueBytes: number;
  /** Published messages that this subscriber did not get, because its queue was full (RFC 29). */
  readonly missedMessages: number;
  /** When the last bytes came in, by `Clock.monotonic`, milliseconds. */
  readonly lastActivityMs: number;
  /** Resolves when this peer's queue has room, or at once. Rejects when aborted, or `ZMTP_PEER_GONE`. */
  writable(signal?: AbortSignal): Promise<void>;
  /**
   * Closes this connection alone, after flushing what is queued to it; nothing more can be sent to it from now on. What
   * still comes in until the peer has closed its side is delivered. With `reconnect` false a connecting socket does not
   * come back (default true).
   */
  close(reason?: string, options?: PeerCloseOptions): void;
}

/** How `Peer.close` ends a connection. */
export interface PeerCloseOptions {
  /** False: a connecting socket does not come back. Default true. */
  readonly reconnect?: boolean;
  /** How long the flush and the peer's closing may take. Default 1 s. */
  readonly lingerMs?: number;
}

/** Why a peer left or never became one. */
export type DropReason =
  | "closed-by-peer"
  | "closed-here"
  | "connection-error"
  | "handshake-timeout"
  | "protocol-error"
  | "frame-too-large"
  | "mechanism-mismatch"
  /** PLAIN, CURVE: the peer could not prove who it is, or is not admitted. */
  | "authentication-failed"
  | "socket-type-mismatch"
  | "heartbeat-timeout"
  /** The peer sent an ERROR command (RFC 23). */
  | "refused-by-peer"
  /** ROUTER: a newer connection announced the same routing id and took its place. */
  | "handed-over"
  /** The socket has `peersMax` connections, or as many of one host or user as `mayConnect` lets him have. */
  | "too-many-peers"
  /** PAIR (RFC 31): it has its one peer already. */
  | "pair-taken"
  /** A subscriber asked for more than `limits.peerSubscriptionsMax` topics, or for too long ones. */
  | "too-many-subscriptions"
  /** No message went either way for `idleTimeoutMs`. */
  | "idle-timeout"
  /** `receivePartialBytesMax` was reached, and no message in the making had been without progress for longer than its. */
  | "message-stalled";

/** What happens to connections, with reasons. Listeners are called at once; what they throw is the application's own error. */
export interface SocketEvents {
  /** The handshake is done; messages flow. */
  connect: (peer: Peer) => void;
  /** A peer that had connected is gone; `undelivered` messages to it were not handed to the kernel. */
  disconnect: (peer: Peer, reason: DropReason, undelivered: number) => void;
  /** A connection that never became a peer was dropped. */
  drop: (address: string, reason: DropReason, detail: string) => void;
  /** Connecting to `endpoint` failed; the next try is in `retryInMs`. */
  retry: (endpoint: string, retryInMs: number, detail: string) => void;
  /** Connecting to `endpoint` has ended by the `reconnect` option's conditions; `connect` may be called again. */
  giveUp: (endpoint: string, attempts: number, detail: string) => void;
  /** Publishing: this subscriber's queue is full, and it misses messages from now on; once for each time that it fills. */
  slow: (peer: Peer) => void;
}

/** Counters since the socket was made. */
export interface SocketCounters {
  readonly accepted: number;
  readonly connected: number;
  readonly disconnected: number;
  /** By reason, both before and after the handshake. */
  readonly drops: Readonly<Record<DropReason, number>>;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Messages accepted by `send` that were not handed to the kernel when their peer left; `disconnect` told of them. */
  readonly undelivered: number;
  /** Received messages that the socket type's rules discard: REP without an empty delimiter, REQ unasked for (RFC 28). */
  readonly discarded: number;
  /** Published messages that a subscriber did not get because its queue was full, each subscriber counted by itself. */
  readonly missed: number;
}
