// What a ZeroMQ socket of this package promises. Semantics follow the RFCs (23/ZMTP 3.1, 28/REQREP, 29/PUBSUB,
// 30/PIPELINE, 31/EXPAIR); where libzmq hides something, it is shown here: who the peers are, what each has queued, why one
// left, and that a message could not be delivered.
import type { Clock, Random } from "@wherry/core";
import type { Security } from "./mechanism/mechanism.ts";

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
  /** The socket has `peersMax` connections. */
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

/** What every socket may be made with; all of it is optional. Defaults and fixed limits: `limits.ts`. A senseless value throws `ZMTP_OPTION_INVALID`. */
export interface SocketOptions {
  /** Announced to peers as `Identity`; at most 255 bytes, first byte not 0. Default: none. */
  readonly routingId?: string | Uint8Array;
  /** Bytes a message may have, all frames together; a larger one drops the peer. Default 64 MiB. */
  readonly messageBytesMax?: number;
  /** Frames a message may have; one with more drops the peer. Default 10 000. */
  readonly messageFramesMax?: number;
  /** Messages queued to all peers together before `send` says no. Default 1 000 000. */
  readonly sendQueueMessagesMax?: number;
  /** Their bytes, likewise. Default 1 GiB. */
  readonly sendQueueBytesMax?: number;
  /** Messages queued to one peer before `send` says no. Default 1000. */
  readonly peerQueueMessagesMax?: number;
  /** Bytes queued to one peer before `send` says no. Default 16 MiB. */
  readonly peerQueueBytesMax?: number;
  /**
   * Received messages of one peer that wait for the reader before reading from that peer alone pauses, so that its own queue fills;
   * reading goes on at half. What one read from the network brings may come on top. Default 1000.
   */
  readonly peerReceiveQueueMessagesMax?: number;
  /** Their bytes, likewise. Default 16 MiB. */
  readonly peerReceiveQueueBytesMax?: number;
  /** Received messages of all peers that wait for the reader before reading from all of them pauses. Default 100 000. */
  readonly receiveQueueMessagesMax?: number;
  /** Their bytes, likewise. Default 256 MiB. */
  readonly receiveQueueBytesMax?: number;
  /**
   * Memory for frames and messages of which only a part has come, all peers together: bytes, and 128 more for each frame. Where it
   * does not suffice, the peer whose message has been without progress the longest is dropped (`message-stalled`), not the one that
   * sends. At least one message of the largest size must fit. Default four of these, and at least 256 MiB.
   */
  readonly receivePartialBytesMax?: number;
  /** Connections at a time, those in handshake included; a further one is closed at once. Default 65 536. */
  readonly peersMax?: number;
  /** Who may talk to this socket, encrypted or not: `plainServer`, `curveClient`, … Default: NULL, which proves nothing. */
  readonly security?: Security;
  /** From the connection's start to its READY. Default 10 s. */
  readonly handshakeTimeoutMs?: number;
  readonly reconnect?: ReconnectOptions;
  /** A peer is dropped when no message went either way for so long; one that connected from here is dialled anew. Default 0: never. */
  readonly idleTimeoutMs?: number;
  /** ZMTP PING interval; the peer is dropped when nothing came for three of them. Default 0: off. */
  readonly heartbeatMs?: number;
  /**
   * For so many microseconds after each message the event loop does not sleep (Linux' SO_BUSY_POLL, a level higher), which saves the time that waking up takes: see
   * the README for when that is worth a processor. At most 10 000. Default 0: off.
   */
  readonly busyPollUs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** When a lost or refused connection is dialled again (exponential backoff, full jitter), and when no more. */
export interface ReconnectOptions {
  /** The first delay's ceiling; it doubles with each failure, and the delay is anywhere below it (full jitter). Default 50 ms. */
  readonly firstMs?: number;
  /** The highest ceiling. Default 5 s. */
  readonly maxMs?: number;
  /** Give up after so many attempts in a row that brought no connection. Default: never. */
  readonly attemptsMax?: number;
  /** Give up when a connection ends for one of these reasons. Default: none. */
  readonly stopOn?: readonly DropReason[];
}

/** Options of PUB (RFC 29). */
export interface PublisherOptions extends SocketOptions {
  /**
   * What becomes of a message for a subscriber whose queue is full. `drop`, as RFC 29 says: that subscriber misses it, the others get it.
   * `refuse`: nobody gets it, and `send` says `full`. Default `drop`.
   */
  readonly onSlow?: "drop" | "refuse";
}

/** Options of XPUB (RFC 29). */
export interface XPublisherOptions extends PublisherOptions {
  /** Subscriptions given to the reader: a topic's first and last only, or each one. Default `changes`. */
  readonly report?: "changes" | "all";
}

/**
 * What `send` answers. It never throws for a peer's sake and never drops silently:
 * `sent` it is queued to a live peer; `no-peer` no peer (with that routing id) is connected; `full` the peer's queue is at
 * its limit, wait for `writable()`; `state` this socket type may not send now (REQ and REP out of turn).
 * Publishing: `sent` all subscribers of the topic get it, `partly` some do and some queues were full, `full` none does
 * although some subscribed, `no-peer` nobody has subscribed to it.
 */
export type SendResult = "sent" | "no-peer" | "full" | "state" | "partly";

/** What `sendBatch` answers. */
export interface BatchResult {
  /** Messages that were accepted, from the batch's start on. */
  readonly accepted: number;
  /** The answer to the first one that was not, else `sent`. */
  readonly result: SendResult;
}

/** RFC 28 to 31. */
export type SocketType =
  | "REQ"
  | "REP"
  | "DEALER"
  | "ROUTER"
  | "PUB"
  | "SUB"
  | "XPUB"
  | "XSUB"
  | "PUSH"
  | "PULL"
  | "PAIR";

/** What is still queued when a drain's time is over. */
export interface DrainResult {
  readonly unflushedMessages: number;
  readonly unflushedBytes: number;
  /** The peers that it is queued to. */
  readonly peers: readonly Peer[];
  /** Messages that were queued to peers who left while it drained. */
  readonly undelivered: number;
}

/** What all sockets have. */
export interface AnySocket extends AsyncDisposable, Disposable {
  readonly type: SocketType;
  readonly peers: ReadonlyMap<number, Peer>;
  readonly counters: SocketCounters;
  readonly closed: boolean;

  /**
   * Listens on `tcp://127.0.0.1:5555`, `tcp://127.0.0.1:*` (free port), `tcp://[::1]:5555`, `ipc:///path`, `ipc://@name` (Linux'
   * abstract names; every user of the machine may connect) or `inproc://name` (within this thread).
   * @returns the endpoint with the port that was taken.
   * @throws WherryError `ZMTP_ENDPOINT_INVALID`, `ZMTP_ADDRESS_IN_USE`, `ZMTP_BIND_FAILED`
   */
  bind(endpoint: string, signal?: AbortSignal): Promise<string>;
  /** Stops accepting; connections that stand stay and keep being served. */
  stopAccepting(): Promise<void>;
  /**
   * Starts connecting, and reconnects until `disconnect`, `close`, or the signal is aborted, which disconnects.
   * @throws WherryError `ZMTP_ENDPOINT_INVALID`
   */
  connect(endpoint: string, signal?: AbortSignal): void;
  /** Stops connecting to `endpoint` and closes its connection after flushing what is queued to it. */
  disconnect(endpoint: string): void;

  on<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): void;
  off<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): void;

  /**
   * Waits until all that was accepted is with the kernel (`inproc`: with the other socket), for at most `deadlineMs`.
   * Sending, receiving and the connections go on.
   * @returns what was not flushed by then. Rejects when aborted.
   */
  drain(options: { readonly deadlineMs: number; readonly signal?: AbortSignal }): Promise<DrainResult>;

  /**
   * Flushes what is queued for at most `lingerMs` (default 1 000), then closes everything; at once when the signal is aborted.
   * `await using` closes so; `using` too, without waiting for the end.
   * @returns how many messages were not handed to the kernel.
   */
  close(options?: {
    readonly lingerMs?: number;
    readonly signal?: AbortSignal;
  }): Promise<{ readonly undelivered: number }>;
}

/** Sockets that send. `send` throws `ZMTP_MESSAGE_INVALID` for what is no message, and nothing for a peer's sake. */
export interface SendingSocket extends AnySocket {
  send(message: Sendable): SendResult;
  /** Sends the messages in order until one is not accepted. A publisher goes on, and tells the worst answer. */
  sendBatch(messages: readonly Sendable[]): BatchResult;
  /** Resolves when a send can succeed again (some peer has room), or at once. Rejects when aborted or closed. */
  writable(signal?: AbortSignal): Promise<void>;
}

/** Sockets that receive, fairly from all peers (RFC 28): in each peer's order, one message of each in turn. */
export interface ReceivingSocket extends AnySocket, AsyncIterable<Message> {
  /** The next message. ROUTER: the first frame is the sender's routing id. Rejects when aborted, or `ZMTP_CLOSED`. */
  receive(signal?: AbortSignal): Promise<Message>;
  /** All messages that wait, at least one; rejects as `receive` does. */
  receiveBatch(signal?: AbortSignal): Promise<readonly Message[]>;
  /** `receiveBatch` again and again, until the socket is closed. */
  batches(signal?: AbortSignal): AsyncIterable<readonly Message[]>;
  /**
   * Instead of `receive`: called with each wake-up's messages, in order. Return false to pause (the messages given are
   * consumed all the same); `resume()` continues.
   */
  onMessages(handler: ((messages: readonly Message[]) => boolean | undefined) | undefined): void;
  resume(): void;
}

/** Those that send and receive. */
export interface Socket extends SendingSocket, ReceivingSocket {
  readonly type: "REQ" | "REP" | "DEALER" | "ROUTER" | "PAIR" | "XPUB" | "XSUB";
}

/** RFC 28 §ROUTER. The first frame names whom a message is from, and whom it goes to. */
export interface RouterSocket extends Socket {
  readonly type: "ROUTER";
  /** The peer with that routing id. */
  peer(routingId: Uint8Array): Peer | undefined;
}

/** RFC 30 §PUSH. */
export interface PushSocket extends SendingSocket {
  readonly type: "PUSH";
}

/** RFC 30 §PULL. */
export interface PullSocket extends ReceivingSocket {
  readonly type: "PULL";
}

/** RFC 29 §PUB. The topic is the beginning of the message's first frame. */
export interface PublisherSocket extends SendingSocket {
  readonly type: "PUB";
}

/** What SUB and XSUB share. */
export interface Subscribing {
  /**
   * Asks all publishers, those that connect later too, for the messages whose first frame begins with `topic`; the empty one
   * asks for all. Subscribing twice needs unsubscribing twice.
   */
  subscribe(...topics: readonly (string | Uint8Array)[]): void;
  /** Takes one subscription back. A topic that is not subscribed to is ignored. */
  unsubscribe(...topics: readonly (string | Uint8Array)[]): void;
}

/** RFC 29 §SUB. What no subscription asks for any more is discarded here, too. */
export interface SubscriberSocket extends ReceivingSocket, Subscribing {
  readonly type: "SUB";
}

/** RFC 29 §XPUB: a PUB whose reader gets the subscriptions, as a frame `01 topic` or `00 topic`, and what XSUB peers send. */
export interface XPublisherSocket extends Socket {
  readonly type: "XPUB";
}

/** RFC 29 §XSUB: a SUB that sends: `01 topic` and `00 topic` (un)subscribe, anything else goes to all publishers. */
export interface XSubscriberSocket extends Socket, Subscribing {
  readonly type: "XSUB";
}
