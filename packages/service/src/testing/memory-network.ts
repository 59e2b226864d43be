// Sockets without a network, for tests: ROUTER and DEALER halves that hand messages to each other in memory, on a later
// turn of the event loop, in order. A test cuts connections and freezes servers at will. Never used by a running service.
import type { DropReason, Message, Peer, Sendable, SendResult, SocketCounters, SocketEvents } from "@wherry/zmtp";
import type { ClientSocket } from "../client/endpoint.ts";
import type { ServerSocket } from "../server/server.ts";

type Batch = (messages: readonly Message[]) => boolean | undefined;

function framesOf(message: Sendable): Uint8Array[] {
  const frames = typeof message === "string" || message instanceof Uint8Array ? [message] : message;
  return frames.map((frame) => (typeof frame === "string" ? Buffer.from(frame) : Buffer.from(frame)));
}

/** One direction of a connection: messages arrive together, a turn later. */
class Pipe {
  #queue: Message[] = [];
  frozen = false;
  readonly #deliver: (messages: readonly Message[]) => void;

  constructor(deliver: (messages: readonly Message[]) => void) {
    this.#deliver = deliver;
  }

  push(message: Message): void {
    this.#queue.push(message);
    if (this.#queue.length === 1) this.flushLater();
  }

  flushLater(): void {
    setImmediate(() => {
      if (this.frozen || this.#queue.length === 0) return;
      const messages = this.#queue;
      this.#queue = [];
      this.#deliver(messages);
    });
  }
}

class Connection {
  readonly peer: Peer;
  readonly toServer: Pipe;
  readonly toClient: Pipe;
  readonly client: MemoryDealer;
  readonly server: MemoryRouter;
  closed = false;

  constructor(id: number, client: MemoryDealer, server: MemoryRouter) {
    this.client = client;
    this.server = server;
    const routingId = Buffer.from([0, 0, 0, 0, id]);
    this.toServer = new Pipe((messages) => server.batch?.(messages.map((message) => [routingId, ...message])));
    this.toClient = new Pipe((messages) => {
      if (!this.closed) client.batch?.(messages);
    });
    const idle = {
      bytesIn: 0,
      bytesOut: 0,
      messagesIn: 0,
      messagesOut: 0,
      queuedMessages: 0,
      queuedBytes: 0,
      receiveQueueMessages: 0,
      receiveQueueBytes: 0,
      missedMessages: 0,
    };
    // Flushes first, as the real one does.
    const close = (): void => void setImmediate(() => setImmediate(() => this.close("closed-here")));
    const facts = { address: `memory://${id}`, metadata: new Map<string, string>(), lastActivityMs: 0 };
    const writable = (): Promise<void> => Promise.resolve();
    this.peer = Object.defineProperty({ id, routingId, ...facts, ...idle, writable, close }, "queuedMessages", {
      get: () => server.slowness,
    });
  }

  close(reason: DropReason): void {
    if (this.closed) return;
    this.closed = true;
    this.server.connections.delete(this.peer.routingId.at(-1) ?? 0);
    this.client.connection = undefined;
    this.server.listeners.disconnect?.(this.peer, reason, 0);
    this.client.listeners.disconnect?.(this.peer, reason, 0);
    this.client.reconnect();
  }
}

export class MemoryRouter implements ServerSocket {
  readonly connections: Map<number, Connection> = new Map();
  readonly listeners: Partial<SocketEvents> = {};
  /** Messages that each peer seems to have queued. */
  slowness = 0;
  readonly #network: MemoryNetwork;
  #endpoint: string | undefined;
  batch: Batch | undefined;
  /** What was sent to each peer, by its number, for assertions. */
  readonly sent: { readonly to: number; readonly frames: readonly Uint8Array[] }[] = [];

  constructor(network: MemoryNetwork) {
    this.#network = network;
  }

  get peers(): ReadonlyMap<number, Peer> {
    return new Map([...this.connections].map(([id, { peer }]) => [id, peer]));
  }

  get counters(): SocketCounters {
    const none = { accepted: 0, connected: 0, disconnected: 0, messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 };
    return { ...none, undelivered: 0, discarded: 0, missed: 0, drops: {} as SocketCounters["drops"] };
  }

  bind(endpoint: string): Promise<string> {
    this.#endpoint = endpoint;
    this.#network.routers.set(endpoint, this);
    this.#network.retry();
    return Promise.resolve(endpoint);
  }

  peer(routingId: Uint8Array): Peer | undefined {
    return this.connections.get(routingId.at(-1) ?? 0)?.peer;
  }

  send(message: Sendable): SendResult {
    const [routingId, ...frames] = framesOf(message);
    const id = routingId?.at(-1) ?? 0;
    const connection = this.connections.get(id);
    if (connection === undefined) return "no-peer";
    this.sent.push({ to: id, frames });
    connection.toClient.push(frames);
    return "sent";
  }

  onMessages(handler: Batch | undefined): void {
    this.batch = handler;
  }

  on<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): void {
    this.listeners[event] = listener;
  }

  stopAccepting(): Promise<void> {
    if (this.#endpoint !== undefined) this.#network.routers.delete(this.#endpoint);
    return Promise.resolve();
  }

  /** Flushes: what was sent arrives before the connections close. */
  async close(): Promise<{ readonly undelivered: number }> {
    await this.stopAccepting();
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    for (const connection of [...this.connections.values()]) connection.close("closed-by-peer");
    return { undelivered: 0 };
  }

  /** As SIGKILL: nothing is flushed, every connection breaks. */
  kill(): void {
    void this.stopAccepting();
    this.batch = undefined;
    for (const connection of [...this.connections.values()]) connection.close("connection-error");
  }

  /** As SIGSTOP: nothing that arrives is read until `thaw`. */
  freeze(): void {
    for (const { toServer } of this.connections.values()) toServer.frozen = true;
  }

  thaw(): void {
    for (const { toServer } of this.connections.values()) {
      toServer.frozen = false;
      toServer.flushLater();
    }
  }
}

export class MemoryDealer implements ClientSocket {
  readonly listeners: Partial<SocketEvents> = {};
  readonly #network: MemoryNetwork;
  connection: Connection | undefined;
  endpoint: string | undefined;
  batch: Batch | undefined;

  constructor(network: MemoryNetwork) {
    this.#network = network;
  }

  connect(endpoint: string): void {
    this.endpoint = endpoint;
    this.#network.dealers.add(this);
    this.reconnect();
  }

  disconnect(): void {
    this.endpoint = undefined;
    this.#network.dealers.delete(this);
    this.connection?.close("closed-by-peer");
  }

  reconnect(): void {
    setImmediate(() => this.#network.retry());
  }

  send(message: Sendable): SendResult {
    if (this.connection === undefined) return "no-peer";
    this.connection.toServer.push(framesOf(message));
    return "sent";
  }

  onMessages(handler: Batch | undefined): void {
    this.batch = handler;
  }

  on<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): void {
    this.listeners[event] = listener;
  }

  async close(): Promise<{ readonly undelivered: number }> {
    this.#network.dealers.delete(this);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    this.connection?.close("closed-by-peer");
    return { undelivered: 0 };
  }
}

export class MemoryNetwork {
  readonly routers: Map<string, MemoryRouter> = new Map();
  readonly dealers: Set<MemoryDealer> = new Set();
  #lastId = 0;

  router(): MemoryRouter {
    return new MemoryRouter(this);
  }

  dealer(): MemoryDealer {
    return new MemoryDealer(this);
  }

  /** Connects every dealer whose endpoint is bound. */
  retry(): void {
    for (const dealer of this.dealers) {
      const router = dealer.endpoint === undefined ? undefined : this.routers.get(dealer.endpoint);
      if (router === undefined || dealer.connection !== undefined) continue;
      const connection = new Connection(++this.#lastId, dealer, router);
      dealer.connection = connection;
      router.connections.set(connection.peer.id, connection);
      router.listeners.connect?.(connection.peer);
      dealer.listeners.connect?.(connection.peer);
    }
  }
}
