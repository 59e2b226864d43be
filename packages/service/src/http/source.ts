// The HTTP port of a service: listens, reads requests, gives them to the server that runs the methods, and leaves with it. While the
// service drains it stays bound and serves; its clients are told by `Connection: close`, idle connections are closed. Runs nothing.
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Clock, Timer } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import {
  drainPollMs,
  httpBodiesBytesMax,
  httpConnectionsMax,
  httpDoorMs,
  httpQuietMs,
  httpStallMs,
} from "../limits.ts";
import { BodyBudget, type BodyShare } from "../server/body-budget.ts";
import { clientName } from "../server/party.ts";
import type { Source } from "../server/caller.ts";
import { refusal } from "../server/refusals.ts";
import type { Server } from "../server/server.ts";
import { settled } from "../server/settled.ts";
import { type AccessOptions, checkAccess } from "./access.ts";
import { Addresses } from "./addresses.ts";
import { Connection } from "./connection.ts";
import { Exchange } from "./exchange.ts";
import type { Pages } from "./pages.ts";
import { addressOf, Places } from "./places.ts";
import type { TopicReaders } from "./topics.ts";
import { acceptsEvents, incomingOf } from "./request.ts";
import { targetOf } from "./target.ts";

// Not imported: see process/admin.ts.
const { STATUS_CODES } = process.getBuiltinModule("node:http");

export interface HttpOptions {
  /** Default 8080; 0 takes a free one. */
  readonly port?: number;
  /** Host names that requests may name. Default: all; on a loopback address only local names and the service's own. */
  readonly hosts?: readonly string[];
  /** Origins whose web pages may call, such as `https://shop.example`; `"*"`: all. Default: none but the port's own. */
  readonly cors?: readonly string[] | "*";
  /** Topics that anyone may read as Server-Sent Events, at `GET /topics/<name>`; true: all. Default: none. */
  readonly topics?: readonly string[] | boolean;
  /** A page at `/` to look at the methods and try them. Default: true; with `run`, false where `NODE_ENV` is `production`. */
  readonly explorer?: boolean;
}

export interface SourceOptions extends HttpOptions {
  /** The service's names in its cluster are served as well. */
  readonly namespace?: string | undefined;
  /** Smaller ones, for tests. Default: those of limits.ts. */
  readonly limits?: {
    readonly headersTimeoutMs?: number;
    readonly timeoutCheckMs?: number;
    readonly stallMs?: number;
    readonly bodiesBytesMax?: number;
    readonly connectionsMax?: number;
  };
}

export class HttpSource implements Source {
  /** `http://127.0.0.1:8080`, with the port that was taken. */
  readonly url: string;
  readonly #server: Server;
  readonly #http: HttpServer;
  readonly #clock: Clock;
  readonly #addresses: Addresses;
  readonly #access: AccessOptions;
  readonly #explorer: boolean;
  #readers: TopicReaders | undefined;
  #pages: Promise<Pages> | undefined;
  readonly #bodies: BodyBudget;
  readonly #connections = new Map<Socket, Connection>();
  readonly #places: Places;
  #leaving = false;
  /** While the door closes, requests that come wait here: see `close`. */
  #door: PromiseWithResolvers<void> | undefined;
  #lastArrivalMs = Number.NEGATIVE_INFINITY;
  #sweep: Timer | undefined;

  /** @param http listening already */
  constructor(server: Server, http: HttpServer, options: SourceOptions) {
    this.#server = server;
    this.#http = http;
    this.#clock = server.clock;
    const { address, port } = http.address() as AddressInfo;
    this.url = `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
    const { name } = server.service;
    const names = options.namespace === undefined ? [name] : [name, `${name}.${options.namespace}`];
    this.#access = { hosts: options.hosts, cors: options.cors ?? [], address, names };
    this.#explorer = options.explorer ?? true;
    this.#addresses = new Addresses(server.service, options.topics ?? false);
    server.httpPort = port;
    server.httpTopics = this.#addresses.topics;
    const { stallMs = httpStallMs, bodiesBytesMax = httpBodiesBytesMax } = options.limits ?? {};
    this.#places = new Places(options.limits?.connectionsMax ?? httpConnectionsMax);
    this.#bodies = new BodyBudget(bodiesBytesMax, server.bodies);
    http.on("connection", (socket: Socket) => this.#connected(socket));
    http.on("request", (request: IncomingMessage, response: ServerResponse) => this.#take(request, response));
    http.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => this.#take(request, response));
    // A connection that took nothing of what waits for it is gone; one that waits for an answer is not.
    http.setTimeout(stallMs, (socket) => {
      if (socket.writableLength > 0 || !this.#connections.get(socket)?.isBusy) socket.destroy();
    });
  }

  #connected(socket: Socket): void {
    if (!this.#places.take(socket)) return;
    const { parties } = this.#server;
    // By its address, of this machine too: here nobody has a key.
    const name = clientName({ address: addressOf(socket) });
    const party = parties.join(name);
    const connection = new Connection(socket, party, this.#clock);
    this.#connections.set(socket, connection);
    this.#lastArrivalMs = this.#clock.monotonic();
    socket.once("close", () => {
      this.#connections.delete(socket);
      parties.leave(party, name);
    });
    if (this.#leaving) this.#sweepLater();
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(request.socket);
    // After its last answer, nothing that comes on a connection is looked at: its client knows that.
    if (connection === undefined || connection.closing) return;
    const exchange = new Exchange(request, response, {
      clock: this.#clock,
      connection,
      isLeaving: () => this.#leaving,
      titles: STATUS_CODES,
      onAnswered: (status) => this.#server.metrics.observeHttp(status),
    });
    const share = this.#bodies.share(connection.party);
    response.once("close", () => share.release());
    // What is not the caller's fault is a bug of ours, and ends the process as any other.
    void this.#serve(exchange, connection, share).catch((error: unknown) => {
      if (!ServiceError.is(error)) throw error;
      return this.#refuse(exchange, error);
    });
  }

  /** An EventSource gives up for ever at any status but 200: what may go well later, or elsewhere, it is told in an event. */
  async #refuse(exchange: Exchange, error: ServiceError): Promise<void> {
    if (error.retryable && acceptsEvents(exchange.request)) {
      const { EventWriter } = await import("./writers.ts");
      new EventWriter(exchange, this.#clock).fail(error);
    } else exchange.fail(0, error);
  }

  async #serve(exchange: Exchange, connection: Connection, share: BodyShare): Promise<void> {
    const { request } = exchange;
    this.#lastArrivalMs = this.#clock.monotonic();
    if (this.#door !== undefined) await this.#door.promise;
    const { method: verb = "", headers } = request;
    const { path, query, host } = targetOf(request);
    const origin = checkAccess(host, headers.origin, this.#access);
    if (origin !== undefined) exchange.setHeaders({ "access-control-allow-origin": origin, vary: "origin" });
    if (connection.isFull) throw tooManyAtOnce();
    if ((verb === "GET" || verb === "HEAD") && (path === "/openapi.json" || (path === "/" && this.#explorer))) {
      await this.#page(exchange, path, query);
      return;
    }
    const verbs = this.#addresses.verbsOf(path);
    const topic = this.#addresses.topicAt(path);
    if (topic !== undefined && (verb === "GET" || verb === "HEAD")) await this.#subscribe(exchange, topic);
    else if (verb === "OPTIONS" && (verbs.length > 0 || path === "*")) this.#options(exchange, verbs);
    else {
      const match = verbs.length === 0 ? undefined : this.#addresses.methodAt(verb, path);
      if (match === undefined) {
        if (verbs.length > 0) exchange.setHeaders({ allow: verbs.join(", ") });
        throw this.#addresses.nothingAt(verb, path, verbs);
      }
      if (match.route.method.stream !== undefined) {
        const { openStream } = await import("./stream.ts");
        await openStream(this.#server, exchange, match, query, share);
        return;
      }
      const incoming = await incomingOf(request, match, query, share, () => exchange.proceed());
      // A durable method's request is not answered yet: it is stored, and its receipt says so.
      if (match.route.method.durable !== undefined) exchange.okStatus = 202;
      if (exchange.isOver) return;
      const job = this.#server.take(incoming, exchange);
      if (job !== undefined) exchange.gone = (reason) => this.#server.requests.cancel(job, reason);
    }
  }

  /** The page itself is the same for every service; what it and the document say of this one is asked about. */
  async #page(exchange: Exchange, path: string, query: string): Promise<void> {
    const question = path !== "/" ? "$openapi" : query === "stats" ? "$stats" : undefined;
    if (question !== undefined) await this.#server.authorizer.ask(question, exchange);
    this.#pages ??= import("./pages.ts").then((module) => new module.Pages(this.#server));
    const pages = await this.#pages;
    if (path === "/") pages.explorer(exchange, query);
    else pages.description(exchange);
  }

  async #subscribe(exchange: Exchange, topic: string): Promise<void> {
    await this.#server.authorizer.ask("$subscribe", exchange, topic);
    const { TopicReaders } = await import("./topics.ts");
    // It would be sent away at once.
    if (this.#leaving) throw refusal();
    this.#readers ??= new TopicReaders(this.#server);
    if (!exchange.isOver) this.#readers.subscribe(exchange, topic);
  }

  #options(exchange: Exchange, verbs: readonly string[]): void {
    const allow = verbs.join(", ");
    const asked = exchange.request.headers["access-control-request-headers"];
    exchange.answer(204, {
      allow,
      "access-control-allow-methods": allow,
      "access-control-max-age": 600,
      ...(asked === undefined ? {} : { "access-control-allow-headers": asked }),
    });
  }

  /** Stays bound, and serves: not everyone knows yet. */
  leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#readers?.leave();
    void this.#closeQuiet();
  }

  get quiet(): boolean {
    for (const connection of this.#connections.values()) if (!connection.isQuiet || connection.isBusy) return false;
    return true;
  }

  /** Closes who sends nothing any more, and looks again later for the rest. */
  async #closeQuiet(): Promise<void> {
    // A late timer makes everyone look quiet: what the kernel has received by now is read first.
    await settled();
    for (const connection of this.#connections.values()) if (connection.isQuiet) connection.close();
    if (!this.quiet) this.#sweepLater();
  }

  #sweepLater(): void {
    this.#sweep ??= this.#clock.timer(
      httpQuietMs,
      () => {
        this.#sweep = undefined;
        void this.#closeQuiet();
      },
      { background: true },
    );
  }

  /**
   * Ends it. Who connects in the moment in which the door closes is cut off by the kernel, without a word; so whoever still comes is
   * let in, and kept waiting, until nobody does; then the door closes, and they are answered: REFUSED, their requests have not started.
   */
  async close(lingerMs: number): Promise<void> {
    this.leave();
    const untilMs = this.#clock.monotonic() + lingerMs;
    this.#door = Promise.withResolvers();
    await settled();
    if (this.#sinceArrivalMs < httpQuietMs)
      while (this.#sinceArrivalMs < httpDoorMs && this.#clock.monotonic() < untilMs) {
        await this.#clock.sleep(drainPollMs);
        // A late timer makes it look as if nobody came.
        await settled();
      }
    this.#http.close();
    this.#door.resolve();
    while (!this.#isFlushed() && this.#clock.monotonic() < untilMs) {
      await this.#clock.sleep(drainPollMs);
      await settled();
    }
    this.#sweep?.cancel();
    this.#http.closeAllConnections();
  }

  get #sinceArrivalMs(): number {
    return this.#clock.monotonic() - this.#lastArrivalMs;
  }

  #isFlushed(): boolean {
    for (const connection of this.#connections.values()) if (connection.isQuiet) connection.close();
    return [...this.#connections.values()].every((connection) => connection.isFlushed);
  }
}

function tooManyAtOnce(): ServiceError {
  const message = "too many requests on this connection are unanswered; wait for answers, or use more connections";
  return new ServiceError("BUSY", message, { fate: "not-started", retryable: true });
}
