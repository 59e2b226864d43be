// One port of one Service: a listener on its ClusterIP, whose connections are forwarded to the Service's endpoints of that moment. A
// connection lives on with the endpoint it has, whatever becomes of the endpoint's readiness or of the Service.
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Clock, Random, Timer } from "@wherry/core";
import type { Affinity, Backend } from "./backends.ts";
import { connectionsPerPortMax, connectTimeoutMs, connectTriesMax, listenRetryMs } from "./limits.ts";

export interface ServicePortOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly backends: () => readonly Backend[];
  /** Undefined: any backend will do. */
  readonly affinity: () => Affinity | undefined;
  /** The listener can't be had; it is tried again. */
  readonly onTrouble: (error: NodeJS.ErrnoException) => void;
  /** A listener that is bound already. */
  readonly listener?: Server;
}

export class ServicePort {
  readonly #options: ServicePortOptions;
  readonly #connections = new Set<Socket>();
  #server: Server | undefined;
  #retry: Timer | undefined;
  #closed = false;
  /** Round robin from a random start, so that the first of several Services' clients don't all meet the same pod. */
  #turn: number;

  constructor(options: ServicePortOptions) {
    this.#options = options;
    this.#turn = options.random.below(1024);
    const serve = (socket: Socket): void => {
      this.#serve(socket).catch(() => socket.destroy());
    };
    if (options.listener !== undefined) {
      this.#server = options.listener;
      this.#server.on("connection", serve);
    } else this.#listen(serve);
  }

  get listening(): boolean {
    return this.#server?.listening === true;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** No new connections; those that are there go on. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#server?.close();
  }

  /** Everything ends now. */
  destroy(): void {
    this.close();
    for (const socket of this.#connections) socket.destroy();
  }

  #listen(serve: (socket: Socket) => void): void {
    const { host, port, clock, onTrouble } = this.#options;
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, serve);
    this.#server = server;
    server.on("error", (error) => {
      server.close();
      if (this.#closed) return;
      onTrouble(error);
      this.#retry = clock.timer(listenRetryMs, () => this.#listen(serve), { background: true });
    });
    server.listen({ host, port, backlog: 511 });
  }

  async #serve(client: Socket): Promise<void> {
    if (this.#connections.size >= connectionsPerPortMax) {
      client.resetAndDestroy();
      return;
    }
    this.#connections.add(client);
    client.once("close", () => this.#connections.delete(client));
    // Until it is joined to a backend an error only means that it is gone.
    client.on("error", () => undefined);
    const upstream = await this.#connect(client);
    if (upstream === undefined || client.destroyed) {
      upstream?.destroy();
      client.resetAndDestroy();
      return;
    }
    join(client, upstream);
  }

  async #connect(client: Socket): Promise<Socket | undefined> {
    const { clock, backends, affinity } = this.#options;
    const offered = backends();
    const memory = affinity();
    const address = client.remoteAddress ?? "";
    const first = memory?.find(address, offered, clock.now());
    const turn = this.#turn++;
    const inTurn = offered
      .map((_backend, index) => offered[(turn + index) % offered.length])
      .filter((one) => one !== undefined);
    const order = first === undefined ? inTurn : [first, ...inTurn.filter((one) => one !== first)];
    for (const backend of order.slice(0, connectTriesMax)) {
      if (client.destroyed) return undefined;
      const upstream = await this.#connectTo(backend);
      if (upstream === undefined) continue;
      memory?.remember(address, backend, clock.now());
      return upstream;
    }
    return undefined;
  }

  /** Undefined when it does not accept. */
  async #connectTo(backend: Backend): Promise<Socket | undefined> {
    return await new Promise((resolve) => {
      const socket = connect({ ...backend, allowHalfOpen: true, noDelay: true });
      const settle = (result: Socket | undefined): void => {
        timer.cancel();
        socket.removeListener("error", fail);
        socket.removeListener("connect", succeed);
        if (result === undefined) socket.on("error", () => undefined).destroy();
        resolve(result);
      };
      const fail = (): void => settle(undefined);
      const succeed = (): void => settle(socket);
      const timer = this.#options.clock.timer(connectTimeoutMs, fail, { background: true });
      socket.once("error", fail);
      socket.once("connect", succeed);
    });
  }
}

/** Both ways, with backpressure; the end of one way is passed on alone, an abort ends both. */
function join(client: Socket, upstream: Socket): void {
  const abort = (other: Socket) => (): void => {
    if (!other.destroyed) other.resetAndDestroy();
  };
  client.on("error", abort(upstream));
  upstream.on("error", abort(client));
  // A socket that closes without an error has either ended both ways, or was destroyed here.
  client.once("close", () => {
    if (!upstream.readableEnded || !upstream.writableEnded) upstream.destroy();
  });
  upstream.once("close", () => {
    if (!client.writableEnded) client.destroy();
  });
  client.pipe(upstream);
  upstream.pipe(client);
}
