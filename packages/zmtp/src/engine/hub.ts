// What all socket types share: listeners, connectors, connections, events, counters, the inbox, and closing. Whom to send to
// and what the reader may take is the pattern's affair.
import type { Socket as NetSocket } from "node:net";
import { type Clock, type Random, SystemClock, SystemRandom } from "@wherry/core";
import { formatEndpoint, parseEndpoint } from "../endpoint.ts";
import { closedError } from "../errors.ts";
import { defaults } from "../limits.ts";
import type { Mechanism } from "../mechanism/mechanism.ts";
import { nullMechanism } from "../mechanism/null.ts";
import type { DropReason, Message, Peer, SocketCounters, SocketOptions } from "../types.ts";
import { writeUint32 } from "../wire/frame.ts";
import { Connection } from "./connection.ts";
import { Connector } from "./connector.ts";
import { Counters } from "./counters.ts";
import { Events } from "./events.ts";
import { Flusher } from "./flusher.ts";
import { Inbox, type Turn } from "./inbox.ts";
import { Listener } from "./listener.ts";
import type { ConnectionEnd, ConnectionOwner } from "./owner.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { Waiters } from "./waiters.ts";

/** A socket type's part (RFC 28 to 31): routing out, and the order of taking in. */
export interface Pattern {
  readonly type: string;
  /** Does each received message begin with the sender's routing id (ROUTER)? */
  readonly prefixesMessages: boolean;
  readonly turn?: Turn;
  /** A peer can be sent to. */
  added(connection: Connection): void;
  /** It cannot be any more. Messages it sent before may still wait to be read. */
  removed(connection: Connection): void;
  /** Its connection is over: no message of it will come any more. */
  ended?(connection: Connection): void;
  /** Could `send` succeed, for some peer? */
  hasRoom(): boolean;
}

/** Unique in the process. */
let lastConnectionId = 0;

export class Hub implements ConnectionOwner {
  readonly type: string;
  readonly prefixesMessages: boolean;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly flusher: Flusher = new Flusher();
  readonly events: Events = new Events();
  readonly inbox: Inbox;
  readonly peers: Map<number, Peer> = new Map();
  closed = false;

  readonly #pattern: Pattern;
  readonly #counters = new Counters();
  readonly #room = new Waiters();
  readonly #gone = new Waiters();
  readonly #connections = new Set<Connection>();
  readonly #connectors = new Map<string, Connector>();
  readonly #connectorOf = new Map<Connection, Connector>();
  #listeners: Listener[] = [];
  #stopping: Listener[] = [];
  readonly #routingIdBase: number;

  constructor(pattern: Pattern, options: SocketOptions) {
    this.type = pattern.type;
    this.prefixesMessages = pattern.prefixesMessages;
    this.#pattern = pattern;
    this.settings = settingsOf(options);
    this.clock = options.clock ?? new SystemClock();
    this.random = options.random ?? new SystemRandom();
    this.#routingIdBase = this.random.below(2 ** 32);
    this.inbox = new Inbox(this.settings, pattern.turn, (paused) => this.#setPaused(paused));
  }

  get counters(): SocketCounters {
    return this.#counters.snapshot(this.#connections, this.inbox.discarded);
  }

  async bind(endpoint: string): Promise<string> {
    const target = parseEndpoint(endpoint, "bind");
    if (this.closed) throw closedError();
    const listener = await Listener.open(target, {
      onAccept: (socket, address) => this.#accept(socket, address),
      onAcceptError: (bound, error) => this.#reportDrop(bound, "connection-error", error.message),
    });
    this.#listeners.push(listener);
    if (this.#isClosed()) {
      this.stopAccepting();
      throw closedError();
    }
    return listener.endpoint;
  }

  stopAccepting(): void {
    for (const listener of this.#listeners) listener.stop();
    this.#stopping.push(...this.#listeners);
    this.#listeners = [];
  }

  /** A second `connect` to the same endpoint changes nothing. */
  connect(text: string): void {
    const target = parseEndpoint(text, "connect");
    if (this.closed) throw closedError();
    const endpoint = formatEndpoint(target);
    if (this.#connectors.has(endpoint)) return;
    const { clock, random, settings } = this;
    const connector: Connector = new Connector(endpoint, target, {
      clock,
      random,
      reconnectFirstMs: settings.reconnectFirstMs,
      reconnectMaxMs: settings.reconnectMaxMs,
      makeConnection: (socket, address) => {
        const connection = this.#adopt(socket, address);
        this.#connectorOf.set(connection, connector);
        return connection;
      },
      onRetry: (address, retryInMs, detail) => this.events.emit("retry", address, retryInMs, detail),
    });
    this.#connectors.set(endpoint, connector);
    connector.start();
  }

  disconnect(text: string): void {
    const endpoint = formatEndpoint(parseEndpoint(text, "connect"));
    const connector = this.#connectors.get(endpoint);
    if (connector === undefined) return;
    this.#connectors.delete(endpoint);
    connector.stop();
    connector.connection?.leave({ reason: "closed-here", detail: `disconnected from ${endpoint}` }, defaults.lingerMs);
  }

  writable(signal?: AbortSignal): Promise<void> {
    if (this.closed) return Promise.reject(closedError());
    return this.#pattern.hasRoom() ? Promise.resolve() : this.#room.wait(signal);
  }

  /** Something changed that may let `send` succeed. */
  roomChanged(): void {
    if (!this.closed && this.#pattern.hasRoom()) this.#room.resolve();
  }

  async close(lingerMs: number): Promise<{ readonly undelivered: number }> {
    const undeliveredBefore = this.#counters.undelivered;
    this.closed = true;
    this.stopAccepting();
    for (const connector of this.#connectors.values()) connector.stop();
    this.#connectors.clear();
    this.inbox.close();
    this.#room.reject(closedError());
    for (const connection of [...this.#connections]) {
      connection.unpause();
      connection.leave({ reason: "closed-here", detail: "the socket was closed" }, lingerMs);
    }
    while (this.#connections.size > 0) await this.#gone.wait();
    for (const listener of this.#stopping) await listener.ended();
    return { undelivered: this.#counters.undelivered - undeliveredBefore };
  }

  makeMechanism(): Mechanism {
    return nullMechanism(
      new Map([
        ["Socket-Type", Buffer.from(this.type)],
        ["Identity", this.settings.routingId],
      ]),
    );
  }

  /** Five bytes that begin with a zero, as libzmq's: no announced id begins so. The start is random, so that an id of an
   * earlier run does not name a peer of this one. */
  generateRoutingId(connection: Connection): Uint8Array {
    const id = new Uint8Array(5);
    writeUint32(id, 1, (this.#routingIdBase + connection.id) >>> 0);
    return id;
  }

  onReady(connection: Connection): void {
    this.#counters.connected++;
    this.#connectorOf.get(connection)?.onReady();
    this.peers.set(connection.id, connection);
    this.#pattern.added(connection);
    this.events.emit("connect", connection);
    this.roomChanged();
  }

  onMessages(connection: Connection, messages: Message[]): void {
    this.inbox.push(connection, messages);
  }

  onRoom(): void {
    this.roomChanged();
  }

  onLeaving(connection: Connection): void {
    this.peers.delete(connection.id);
    this.#pattern.removed(connection);
  }

  onGone(connection: Connection, end: ConnectionEnd): void {
    this.#connections.delete(connection);
    this.#counters.ended(connection);
    this.#counters.undelivered += end.undelivered;
    const connector = this.#connectorOf.get(connection);
    this.#connectorOf.delete(connection);
    if (end.wasReady) {
      this.#counters.disconnected++;
      this.#counters.dropped(end.reason);
      this.#pattern.ended?.(connection);
      this.events.emit("disconnect", connection, end.reason, end.undelivered);
    } else if (end.wasOpen) {
      this.#reportDrop(connection.address, end.reason, end.detail);
    }
    if (connector?.onGone(end.detail) === false && this.#connectors.get(connector.endpoint) === connector)
      this.#connectors.delete(connector.endpoint);
    this.#gone.resolve();
  }

  /** Asked anew after an await, where the compiler believes the earlier answer. */
  #isClosed(): boolean {
    return this.closed;
  }

  #accept(socket: NetSocket, address: string): void {
    if (this.#connections.size >= this.settings.peersMax || this.closed) {
      socket.on("error", () => undefined);
      socket.destroy();
      this.#reportDrop(address, "too-many-peers", `there are ${this.settings.peersMax} connections already`);
      return;
    }
    this.#counters.accepted++;
    this.#adopt(socket, address).open();
  }

  #adopt(socket: NetSocket, address: string): Connection {
    const connection = new Connection(++lastConnectionId, socket, address, this);
    this.#connections.add(connection);
    if (this.inbox.paused) connection.pause();
    return connection;
  }

  #reportDrop(address: string, reason: DropReason, detail: string): void {
    this.#counters.dropped(reason);
    this.events.emit("drop", address, reason, detail);
  }

  #setPaused(paused: boolean): void {
    for (const connection of this.#connections) {
      if (paused) connection.pause();
      else connection.unpause();
    }
  }
}
