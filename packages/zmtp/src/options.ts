// What sockets may be made with. Types only; what the options come to is found in engine/settings.ts.
import type { Clock, Random } from "@wherry/core";
import type { Security } from "./mechanism/mechanism.ts";
import type { DropReason } from "./peer.ts";

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
  /**
   * May whoever has `own` of the `used` connections have one more, of at most `peersMax`? Whoever: the user that a peer has proven to be; without a
   * proof, and before it, the host that it comes from. One too many is closed at once. Default: everybody may.
   */
  readonly mayConnect?: (own: number, used: number, peersMax: number) => boolean;
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
