// What all socket types share: connections, events, counters, the inbox, draining and closing. Whom to send to
// and what the reader may take is the pattern's affair.
import { type Clock, type Random, SystemClock, SystemRandom } from "@wherry/core";
import { closedError } from "../errors.ts";
import type { Mechanism, MechanismContext } from "../mechanism/mechanism.ts";
import { nullMechanism } from "../mechanism/null.ts";
import type { DrainResult, DropReason, Message, Peer, SocketCounters, SocketOptions } from "../types.ts";
import { writeUint32 } from "../wire/frame.ts";
import type { Problem } from "../wire/problem.ts";
import { type BusyPoll, busyPollOf } from "./busy-poll.ts";
import { Counters } from "./counters.ts";
import { Endpoints, type EndpointsOwner } from "./endpoints.ts";
import { Events } from "./events.ts";
import { Flusher } from "./flusher.ts";
import { Inbox, type Turn } from "./inbox.ts";
import type { Link } from "./link.ts";
import type { Candidate, ConnectionEnd } from "./owner.ts";
import { Partials } from "./partials.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { Shares } from "./shares.ts";
import { Tally } from "./tally.ts";
import { Waiters } from "./waiters.ts";

/** A socket type's part (RFC 28 to 31): routing out, and the order of taking in. */
export interface Pattern {
  readonly type: string;
  /** Does each received message begin with the sender's routing id (ROUTER)? */
  readonly prefixesMessages: boolean;
  readonly turn?: Turn;
  /** Does it take subscriptions (PUB, XPUB)? They come as messages. */
  readonly takesSubscriptions?: boolean;
  /** May one more peer come in? */
  judge?(peer?: Candidate): Problem | undefined;
  /** Looks at what came in before the reader gets it. @returns what is for the reader. */
  accept?(connection: Link, messages: Message[]): Message[];
  /** A peer can be sent to. */
  added(connection: Link): void;
  /** It cannot be any more. Messages it sent before may still wait to be read. */
  removed(connection: Link): void;
  /** Its connection is over: no message of it will come any more. */
  ended?(connection: Link): void;
  /** Could `send` succeed, for some peer? */
  hasRoom(): boolean;
}

/** One, so that what sockets share by their clock is shared. */
const systemClock = new SystemClock();

export class Hub implements EndpointsOwner {
  readonly type: string;
  readonly prefixesMessages: boolean;
  readonly takesSubscriptions: boolean;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly busyPoll: BusyPoll | undefined;
  readonly flusher: Flusher;
  readonly tally: Tally;
  readonly partials: Partials;
  readonly events: Events = new Events();
  readonly inbox: Inbox;
  readonly peers: Map<number, Peer> = new Map();
  closed = false;

  readonly #pattern: Pattern;
  readonly #counters = new Counters();
  readonly #room = new Waiters();
  readonly #gone = new Waiters();
  readonly #flushed = new Waiters();
  readonly #connections = new Set<Link>();
  readonly #shares: Shares<Link> | undefined;
  readonly #endpoints: Endpoints = new Endpoints(this);
  readonly #routingIdBase: number;

  constructor(pattern: Pattern, options: SocketOptions) {
    this.type = pattern.type;
    this.prefixesMessages = pattern.prefixesMessages;
    this.takesSubscriptions = pattern.takesSubscriptions === true;
    this.#pattern = pattern;
    this.settings = settingsOf(options);
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? new SystemRandom();
    this.busyPoll = busyPollOf(this.clock, this.settings.busyPollUs);
    this.flusher = new Flusher(this.clock, this.busyPoll);
    this.#routingIdBase = this.random.below(2 ** 32);
    this.tally = new Tally(
      this.settings,
      () => this.#roomAgain(),
      () => this.#flushed.resolve(),
    );
    const { mayConnect, peersMax } = this.settings;
    if (mayConnect !== undefined) this.#shares = new Shares(mayConnect, peersMax);
    this.partials = new Partials(this.settings.receivePartialBytesMax);
    this.inbox = new Inbox(this.settings, pattern.turn, (paused) => this.#setPaused(paused));
  }

  get counters(): SocketCounters {
    return this.#counters.snapshot(this.#connections, this.inbox.discarded);
  }

  bind(endpoint: string, signal?: AbortSignal): Promise<string> {
    return this.#endpoints.bind(endpoint, signal);
  }

  stopAccepting(): void {
    this.#endpoints.stopAccepting();
  }

  connect(endpoint: string, signal?: AbortSignal): void {
    this.#endpoints.connect(endpoint, signal);
  }

  disconnect(endpoint: string): void {
    this.#endpoints.disconnect(endpoint);
  }

  writable(signal?: AbortSignal): Promise<void> {
    if (this.closed) return Promise.reject(closedError());
    return this.#pattern.hasRoom() ? Promise.resolve() : this.#room.wait(signal);
  }

  /** Something changed that may let `send` succeed. */
  roomChanged(): void {
    if (this.#room.waiting && !this.closed && this.#pattern.hasRoom()) this.#room.resolve();
  }

  async drain(deadlineMs: number, signal?: AbortSignal): Promise<DrainResult> {
    const undeliveredBefore = this.#counters.undelivered;
    const deadline = new AbortController();
    const timer = this.clock.timer(deadlineMs, () => deadline.abort());
    const ends = signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, signal]);
    try {
      while (this.tally.bytes > 0) await this.#flushed.wait(ends);
    } catch (error) {
      if (!deadline.signal.aborted || signal?.aborted === true) throw error;
    } finally {
      timer.cancel();
    }
    const peers = [...this.#connections].filter((connection) => connection.queuedMessages > 0);
    const undelivered = this.#counters.undelivered - undeliveredBefore;
    return { unflushedMessages: this.tally.messages, unflushedBytes: this.tally.bytes, peers, undelivered };
  }

  async close(lingerMs: number, signal?: AbortSignal): Promise<{ readonly undelivered: number }> {
    const undeliveredBefore = this.#counters.undelivered;
    this.closed = true;
    this.#endpoints.stop();
    this.inbox.close();
    this.#room.reject(closedError());
    for (const connection of [...this.#connections]) {
      connection.unpause();
      connection.leave(
        { reason: "closed-here", detail: "the socket was closed" },
        signal?.aborted === true ? 0 : lingerMs,
      );
    }
    const onAbort = (): void => {
      for (const connection of [...this.#connections])
        connection.drop({ reason: "closed-here", detail: "closing was cut short" });
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    while (this.#connections.size > 0) await this.#gone.wait();
    signal?.removeEventListener("abort", onAbort);
    await this.#endpoints.ended();
    return { undelivered: this.#counters.undelivered - undeliveredBefore };
  }

  makeMechanism(link: Pick<MechanismContext, "address" | "later">): Mechanism {
    const metadata = new Map([
      ["Socket-Type", Buffer.from(this.type)],
      ["Identity", this.settings.routingId],
    ]);
    const { security } = this.settings;
    if (security === undefined) return nullMechanism(metadata);
    return security.mechanismFor({ metadata, clock: this.clock, ...link });
  }

  /** Five bytes that begin with a zero, as libzmq's: no announced id begins so. The start is random, so that an id of an
   * earlier run does not name a peer of this one. */
  generateRoutingId(connection: Link): Uint8Array {
    const id = new Uint8Array(5);
    writeUint32(id, 1, (this.#routingIdBase + connection.id) >>> 0);
    return id;
  }

  judge(peer?: Candidate, connection?: Link): Problem | undefined {
    const problem = this.#pattern.judge?.(peer);
    if (problem !== undefined || connection === undefined || peer?.userId === undefined) return problem;
    return this.#shares?.prove(connection, peer.userId, this.#connections.size);
  }

  onReady(connection: Link): void {
    this.#counters.connected++;
    this.#endpoints.onReady(connection);
    this.peers.set(connection.id, connection);
    this.#pattern.added(connection);
    this.events.emit("connect", connection);
    this.roomChanged();
  }

  onMessages(connection: Link, messages: Message[]): void {
    const accepted = this.#pattern.accept === undefined ? messages : this.#pattern.accept(connection, messages);
    if (accepted.length > 0) this.inbox.push(connection, accepted);
  }

  onRoom(): void {
    this.roomChanged();
  }

  onLeaving(connection: Link): void {
    this.peers.delete(connection.id);
    this.#pattern.removed(connection);
  }

  onGone(connection: Link, end: ConnectionEnd): void {
    this.#connections.delete(connection);
    this.#shares?.leave(connection);
    this.#counters.ended(connection);
    this.#counters.undelivered += end.undelivered;
    if (end.wasReady) {
      this.#counters.disconnected++;
      this.#counters.dropped(end.reason);
      this.#pattern.ended?.(connection);
      this.events.emit("disconnect", connection, end.reason, end.undelivered);
    } else if (end.wasOpen) {
      this.reportDrop(connection.address, end.reason, end.detail);
    }
    this.#endpoints.onGone(connection, end);
    this.#gone.resolve();
  }

  /** Counts a connection that comes in, and says whether it may. */
  admit(address: string): boolean {
    const { size } = this.#connections;
    const isFull = size >= this.settings.peersMax || this.closed;
    const problem = isFull ? tooManyPeers(this.settings) : this.#shares?.judge(address, size);
    if (problem === undefined) this.#counters.accepted++;
    else this.reportDrop(address, problem.reason, problem.detail);
    return problem === undefined;
  }

  adopt(connection: Link, from?: string): void {
    this.#connections.add(connection);
    if (from !== undefined) this.#shares?.enter(connection, from);
    if (this.inbox.paused) connection.pause();
  }

  /** The socket's queues together were at their limit, and are not any more. */
  #roomAgain(): void {
    for (const connection of this.#connections) connection.roomAgain();
    this.roomChanged();
  }

  reportDrop(address: string, reason: DropReason, detail: string): void {
    this.#counters.dropped(reason);
    this.events.emit("drop", address, reason, detail);
  }

  #setPaused(paused: boolean): void {
    for (const connection of this.#connections) {
      if (paused) connection.pause();
      else if (!connection.inbox.full) connection.unpause();
    }
  }
}

function tooManyPeers({ peersMax }: Settings): Problem {
  return { reason: "too-many-peers", detail: `there are ${peersMax} connections already` };
}
