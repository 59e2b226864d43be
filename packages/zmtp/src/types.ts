// What a ZeroMQ socket of this package promises. Semantics follow the RFCs (23/ZMTP 3.1, 28/REQREP, 29/PUBSUB,
// 30/PIPELINE, 31/EXPAIR); where libzmq hides something, it is shown here: who the peers are, what each has queued, why one
// left, and that a message could not be delivered.
import type { Clock, Random } from "@wherry/core";

/** A message: one or more frames. Received frames may be views of a larger buffer; copy what outlives the handler. */
export type Message = readonly Uint8Array[];
/** What can be sent: a message, or a single frame. Text is sent as UTF-8. */
export type Sendable = string | Uint8Array | readonly (string | Uint8Array)[];

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
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Messages accepted by `send` that the kernel has not taken yet. */
  readonly queuedMessages: number;
  readonly queuedBytes: number;
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

export interface PeerCloseOptions {
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
  | "socket-type-mismatch"
  | "heartbeat-timeout"
  /** The peer sent an ERROR command (RFC 23). */
  | "refused-by-peer"
  /** ROUTER: a newer connection announced the same routing id and took its place. */
  | "handed-over"
  /** The socket has `peersMax` connections. */
  | "too-many-peers";

export interface SocketEvents {
  /** The handshake is done; messages flow. */
  connect: (peer: Peer) => void;
  /** A peer that had connected is gone; `undelivered` messages to it were not handed to the kernel. */
  disconnect: (peer: Peer, reason: DropReason, undelivered: number) => void;
  /** A connection that never became a peer was dropped. */
  drop: (address: string, reason: DropReason, detail: string) => void;
  /** Connecting to `endpoint` failed; the next try is in `retryInMs`. */
  retry: (endpoint: string, retryInMs: number, detail: string) => void;
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
}

export interface SocketOptions {
  /** Announced to peers as `Identity`; at most 255 bytes, first byte not 0. Default: none. */
  readonly routingId?: string | Uint8Array;
  /** Bytes a message may have, all frames together; a larger one drops the peer. Default 64 MiB. */
  readonly messageBytesMax?: number;
  /** Frames a message may have; one with more drops the peer. Default 10 000. */
  readonly messageFramesMax?: number;
  /** Messages queued to one peer before `send` says no. Default 1000. */
  readonly peerQueueMessagesMax?: number;
  /** Bytes queued to one peer before `send` says no. Default 16 MiB. */
  readonly peerQueueBytesMax?: number;
  /** Received messages held for the reader before reading from the peers pauses. Default 1000. */
  readonly receiveQueueMessagesMax?: number;
  /** Their bytes, likewise. Default 64 MiB. */
  readonly receiveQueueBytesMax?: number;
  /** Connections at a time, those in handshake included; a further one is closed at once. Default 65 536. */
  readonly peersMax?: number;
  /** From the connection's start to its READY. Default 10 s. */
  readonly handshakeTimeoutMs?: number;
  /** Connecting: first delay, longest delay; the delay doubles with full jitter. Default 50 ms and 5 s. */
  readonly reconnectMs?: { readonly first: number; readonly max: number };
  /** ZMTP PING interval; the peer is dropped when nothing came for three of them. Default 0: off. */
  readonly heartbeatMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * What `send` answers. It never throws for a peer's sake and never drops silently:
 * `sent` it is queued to a live peer; `no-peer` no peer (with that routing id) is connected; `full` the peer's queue is at
 * its limit, wait for `writable()`; `state` this socket type may not send now (REQ and REP out of turn).
 */
export type SendResult = "sent" | "no-peer" | "full" | "state";

export interface Socket extends AsyncIterable<Message>, AsyncDisposable {
  readonly type: "REQ" | "REP" | "DEALER" | "ROUTER";
  readonly peers: ReadonlyMap<number, Peer>;
  readonly counters: SocketCounters;
  readonly closed: boolean;

  /**
   * Listens on `tcp://127.0.0.1:5555`, `tcp://127.0.0.1:*` (free port), `tcp://[::1]:5555` or `ipc:///path`.
   * @returns the endpoint with the port that was taken.
   * @throws WherryError `ZMTP_ENDPOINT_INVALID`, `ZMTP_ADDRESS_IN_USE`, `ZMTP_BIND_FAILED`
   */
  bind(endpoint: string): Promise<string>;
  /** Stops accepting; connections that stand stay and keep being served. */
  stopAccepting(): Promise<void>;
  /** Starts connecting, and reconnects until `disconnect` or `close`. @throws WherryError `ZMTP_ENDPOINT_INVALID` */
  connect(endpoint: string): void;
  /** Stops connecting to `endpoint` and closes its connection after flushing what is queued to it. */
  disconnect(endpoint: string): void;

  send(message: Sendable): SendResult;
  /** Resolves when a send can succeed again (some peer has room), or at once. Rejects when aborted or closed. */
  writable(signal?: AbortSignal): Promise<void>;
  /** The next message. ROUTER: the first frame is the sender's routing id. Rejects when aborted, or `ZMTP_CLOSED`. */
  receive(signal?: AbortSignal): Promise<Message>;
  /**
   * Instead of `receive`: called with each wake-up's messages, in order. Return false to pause (the messages given are
   * consumed all the same); `resume()` continues.
   */
  onMessages(handler: ((messages: readonly Message[]) => boolean | undefined) | undefined): void;
  resume(): void;

  on<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): void;
  off<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): void;

  /**
   * Flushes what is queued for at most `lingerMs` (default 1 000), then closes everything.
   * @returns how many messages were not handed to the kernel.
   */
  close(options?: { readonly lingerMs?: number }): Promise<{ readonly undelivered: number }>;
}

export interface RouterSocket extends Socket {
  readonly type: "ROUTER";
  /** The peer with that routing id. */
  peer(routingId: Uint8Array): Peer | undefined;
}
