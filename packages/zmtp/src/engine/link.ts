// What the patterns, the inbox and the hub know of a connection, whatever carries it: TCP, ipc (connection.ts) or another socket of
// this process (inproc.ts).
import type { Peer } from "../types.ts";
import type { EncodedMessage } from "../wire/encoded.ts";
import type { Problem } from "../wire/problem.ts";
import type { Unread } from "./unread.ts";

/** The way out. To be written to only while the link is `ready`; every message that `room` admitted is taken. */
export interface Output {
  /** Is the queue below its limits, and the socket's? A message may then exceed them by itself. */
  room(): boolean;
  /** One message of one frame. */
  single(body: string | Uint8Array): void;
  /** One message: `frames` from index `from` on. */
  message(frames: readonly (string | Uint8Array)[], from: number): void;
  /** Frames of a message that is ended by a later `message`. */
  leading(frames: readonly Uint8Array[]): void;
  /** One message that other peers get too. */
  encoded(message: EncodedMessage): void;
}

export interface Link extends Peer {
  readonly ready: boolean;
  readonly writer: Output;
  /** `close` was called with `reconnect: false`. */
  readonly staysAway: boolean;
  /** Received messages that the reader has not taken (kept by the inbox). */
  readonly inbox: Unread;
  missedMessages: number;
  /** A publisher's: its queue was full when it was last sent to. */
  slow: boolean;
  /** A publisher's: the number of the last message that it was found for. */
  matched: number;
  /** SUB and XSUB: tells the publisher (RFC 29). Not subject to the queue's limits. */
  subscription(on: boolean, topic: Uint8Array): void;
  /** Stops taking messages in, so that the sender's queue fills. */
  pause(): void;
  unpause(): void;
  /** The socket's queues have room again: those who wait in `writable` are told. */
  roomAgain(): void;
  /** Ends it now; what is queued to it is undelivered. */
  drop(end: Problem): void;
  /** Ends it in order, within `lingerMs`. */
  leave(end: Problem, lingerMs: number): void;
}
