// Where a socket's connections come from: what it has bound, and what it connects to. Makes them and hands them over; what
// becomes of them is the hub's affair.
import type { Socket as NetSocket } from "node:net";
import type { Random } from "@wherry/core";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../endpoint.ts";
import { bindError, closedError } from "../errors.ts";
import { defaults } from "../limits.ts";
import type { DropReason } from "../types.ts";
import { Connection } from "./connection.ts";
import { Connector } from "./connector.ts";
import { dial } from "./dial.ts";
import type { Events } from "./events.ts";
import { InprocLink, inprocNames } from "./inproc.ts";
import type { Link } from "./link.ts";
import { Listener } from "./listener.ts";
import type { ConnectionEnd, ConnectionOwner } from "./owner.ts";

export interface EndpointsOwner extends ConnectionOwner {
  readonly random: Random;
  readonly events: Events;
  readonly closed: boolean;
  /** Counts a connection that comes in, and says whether it may. */
  admit(address: string): boolean;
  /** Takes a connection that was made. @param from where it came in from; absent: it was made from here */
  adopt(connection: Link, from?: string): void;
  reportDrop(address: string, reason: DropReason, detail: string): void;
}

/** An endpoint that is listened on. */
interface Bound {
  stop(): void;
  /** After `stop`: when what it accepted is gone, too. */
  ended(): Promise<void>;
}

/** Unique in the process. */
let lastConnectionId = 0;

export class Endpoints {
  readonly #owner: EndpointsOwner;
  readonly #connectors = new Map<string, Connector>();
  readonly #connectorOf = new Map<Link, Connector>();
  #listeners: Bound[] = [];
  #stopping: Bound[] = [];

  constructor(owner: EndpointsOwner) {
    this.#owner = owner;
  }

  async bind(endpoint: string, signal?: AbortSignal): Promise<string> {
    const target = parseEndpoint(endpoint, "bind");
    const owner = this.#owner;
    if (owner.closed) throw closedError();
    signal?.throwIfAborted();
    if (target.transport === "inproc") return this.#bindInproc(formatEndpoint(target));
    const listener = await Listener.open(target, {
      onAccept: (socket, address) => this.#accept(socket, address),
      onAcceptError: (bound, error) => owner.reportDrop(bound, "connection-error", error.message),
    });
    this.#listeners.push(listener);
    if (!this.#isClosed() && signal?.aborted !== true) return listener.endpoint;
    listener.stop();
    throw signal?.aborted === true ? (signal.reason as Error) : closedError();
  }

  stopAccepting(): void {
    for (const listener of this.#listeners) listener.stop();
    this.#stopping.push(...this.#listeners);
    this.#listeners = [];
  }

  /** A second `connect` to the same endpoint changes nothing. */
  connect(text: string, signal?: AbortSignal): void {
    const target = parseEndpoint(text, "connect");
    const { clock, random, settings, events, closed } = this.#owner;
    if (closed) throw closedError();
    signal?.throwIfAborted();
    const endpoint = formatEndpoint(target);
    if (this.#connectors.has(endpoint)) return;
    const { reconnectFirstMs, reconnectMaxMs, reconnectAttemptsMax, reconnectStopOn } = settings;
    const connector: Connector = new Connector(endpoint, {
      clock,
      random,
      reconnectFirstMs,
      reconnectMaxMs,
      reconnectAttemptsMax,
      reconnectStopOn,
      dial: () => this.#dial(target, connector),
      onRetry: (address, retryInMs, detail) => events.emit("retry", address, retryInMs, detail),
      onGiveUp: (address, attempts, detail) => {
        this.#forget(connector);
        events.emit("giveUp", address, attempts, detail);
      },
    });
    this.#connectors.set(endpoint, connector);
    const onAbort = (): void => {
      if (this.#connectors.get(endpoint) === connector) this.disconnect(endpoint);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    connector.onStopped = () => signal?.removeEventListener("abort", onAbort);
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

  /** No connection is made any more; those that stand are left to the caller. */
  stop(): void {
    this.stopAccepting();
    for (const connector of this.#connectors.values()) connector.stop();
    this.#connectors.clear();
  }

  /** After `stop`, when all connections are gone. */
  async ended(): Promise<void> {
    for (const listener of this.#stopping) await listener.ended();
  }

  onReady(connection: Link): void {
    this.#connectorOf.get(connection)?.onReady();
  }

  onGone(connection: Link, end: ConnectionEnd): void {
    const connector = this.#connectorOf.get(connection);
    this.#connectorOf.delete(connection);
    if (connector?.onGone(end) === false) this.#forget(connector);
  }

  #forget(connector: Connector): void {
    if (this.#connectors.get(connector.endpoint) === connector) this.#connectors.delete(connector.endpoint);
  }

  /** Asked anew after an await, where the compiler believes the earlier answer. */
  #isClosed(): boolean {
    return this.#owner.closed;
  }

  #accept(socket: NetSocket, address: string): void {
    if (!this.#owner.admit(address)) {
      socket.on("error", () => undefined);
      socket.destroy();
      return;
    }
    const connection = new Connection(++lastConnectionId, socket, address, this.#owner);
    this.#owner.adopt(connection, address);
    connection.open();
  }

  #dial(target: Endpoint, connector: Connector): Link {
    const address = connector.endpoint;
    const id = ++lastConnectionId;
    if (target.transport === "inproc") {
      const link = new InprocLink(id, address, this.#owner);
      this.#adopt(link, connector);
      inprocNames.dial(address, link);
      return link;
    }
    const socket = dial(target);
    const connection = new Connection(id, socket, address, this.#owner);
    this.#adopt(connection, connector);
    socket.once("connect", () => connection.open());
    return connection;
  }

  #adopt(connection: Link, connector: Connector): void {
    this.#owner.adopt(connection);
    this.#connectorOf.set(connection, connector);
  }

  #bindInproc(endpoint: string): string {
    const stop = inprocNames.bind(endpoint, (dialling) => {
      const admitted = this.#owner.admit(endpoint);
      const link = new InprocLink(++lastConnectionId, endpoint, this.#owner);
      if (admitted) this.#owner.adopt(link);
      process.nextTick(() => {
        if (admitted) InprocLink.join(link, dialling);
        else dialling.drop({ reason: "connection-error", detail: `${endpoint} has as many peers as it may` });
      });
    });
    if (stop === undefined) throw bindError(endpoint, Object.assign(new Error("taken"), { code: "EADDRINUSE" }));
    this.#listeners.push({ stop, ended: () => Promise.resolve() });
    return endpoint;
  }
}
