// What a connection needs of the socket that owns it, and tells it.
import type { Clock } from "@wherry/core";
import type { Mechanism, MechanismContext } from "../mechanism/mechanism.ts";
import type { DropReason, Message } from "../types.ts";
import type { Problem } from "../wire/problem.ts";
import type { BusyPoll } from "./busy-poll.ts";
import type { Flusher } from "./flusher.ts";
import type { Link } from "./link.ts";
import type { Partials } from "./partials.ts";
import type { Settings } from "./settings.ts";
import type { Tally } from "./tally.ts";

/** A peer that is about to come in over the network. */
export interface Candidate {
  /** Announced, or empty. */
  readonly routingId: Uint8Array;
  readonly userId: string | undefined;
}

/** What a connection tells the socket that owns it. */
export interface ConnectionOwner {
  readonly type: string;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly busyPoll: BusyPoll | undefined;
  readonly flusher: Flusher;
  readonly tally: Tally;
  readonly partials: Partials;
  /** PUB and XPUB: subscriptions are given on as messages. */
  readonly takesSubscriptions: boolean;
  makeMechanism(link: Pick<MechanismContext, "address" | "later">): Mechanism;
  /** A routing id for a peer that announced none. */
  generateRoutingId(connection: Link): Uint8Array;
  /** Is each message to begin with the sender's routing id? */
  readonly prefixesMessages: boolean;
  /** May one more peer come in, by the socket type's rules, and by how many it has? */
  judge(peer?: Candidate, connection?: Link): Problem | undefined;
  onReady(connection: Link): void;
  onMessages(connection: Link, messages: Message[]): void;
  /** The output queue has room again. */
  onRoom(connection: Link): void;
  /** No more can be sent to it: it is closing. Only after `onReady`. */
  onLeaving(connection: Link, reason: DropReason, detail: string): void;
  /** It is over; the last call. */
  onGone(connection: Link, end: ConnectionEnd): void;
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
