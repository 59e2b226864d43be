// What a ZeroMQ socket of this package promises. Semantics follow the RFCs (23/ZMTP 3.1, 28/REQREP, 29/PUBSUB,
// 30/PIPELINE, 31/EXPAIR); where libzmq hides something, it is shown here: who the peers are, what each has queued, why one
// left, and that a message could not be delivered. Peers and what happens to them are in peer.ts, what a socket may be made with in
// options.ts.
import type { Peer, SocketCounters, SocketEvents } from "./peer.ts";

export type * from "./options.ts";
export type * from "./peer.ts";

/** A message: one or more frames. Received frames may be views of a larger buffer; copy what outlives the handler. */
export type Message = readonly Uint8Array[];
/**
 * What can be sent: a message, or a single frame. Text is sent as UTF-8. A frame of at most 8 KiB is copied before `send` returns;
 * a larger one must not be changed afterwards.
 */
export type Sendable = string | Uint8Array | readonly (string | Uint8Array)[];

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
