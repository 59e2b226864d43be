// What a connection needs of the socket that owns it, and tells it.
import type { Clock } from "@wherry/core";
import type { Mechanism } from "../mechanism/mechanism.ts";
import type { DropReason, Message } from "../types.ts";
import type { Connection } from "./connection.ts";
import type { Flusher } from "./flusher.ts";
import type { Settings } from "./settings.ts";

/** What a connection tells the socket that owns it. */
export interface ConnectionOwner {
  readonly type: string;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly flusher: Flusher;
  makeMechanism(): Mechanism;
  /** A routing id for a peer that announced none. */
  generateRoutingId(connection: Connection): Uint8Array;
  /** Is each message to begin with the sender's routing id? */
  readonly prefixesMessages: boolean;
  onReady(connection: Connection): void;
  onMessages(connection: Connection, messages: Message[]): void;
  /** The output queue has room again. */
  onRoom(connection: Connection): void;
  /** No more can be sent to it: it is closing. Only after `onReady`. */
  onLeaving(connection: Connection, reason: DropReason, detail: string): void;
  /** It is over; the last call. */
  onGone(connection: Connection, end: ConnectionEnd): void;
}

export interface ConnectionEnd {
  readonly reason: DropReason;
  readonly detail: string;
  readonly undelivered: number;
  /** Was the transport connected? */
  readonly wasOpen: boolean;
  /** Had `onReady` been called? */
  readonly wasReady: boolean;
}
