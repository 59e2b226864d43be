// The HTTPS listener: guards the door (server/guard.ts), authenticates, reads bodies within limits, hands requests to the
// API and writes answers. Whatever a peer sends, it is that peer's connection that suffers, never the process.
import { asError, type Logger } from "@wherry/core";
import {
  badRequest,
  serviceUnavailable,
  type Status,
  type StatusError,
  statusOf,
  tooManyRequests,
  unauthorized,
} from "@wherry/kube";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Api } from "../api.ts";
import type { Authenticator } from "../authenticator.ts";
import { limits } from "../limits.ts";
import type { ApiRequest, Method, User } from "../types.ts";
import { Bodies, hasBody } from "./bodies.ts";
import { Budget } from "./budget.ts";
import { Connections } from "./connections.ts";
import { refusalOf } from "./guard.ts";
import { securityHeaders, writeResponse } from "./respond.ts";

export interface ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM. */
  readonly tls: { readonly key: string; readonly cert: string };
  readonly authenticator: Authenticator;
  /** Names besides loopback's own, without ports: `127.5.0.1`. */
  readonly allowedHosts?: readonly string[];
  readonly log: Logger;
}

export interface Listener {
  readonly port: number;
  /** Takes no more requests, ends the watches, gives the rest `graceMs` to finish, then cuts them off. */
  close(graceMs: number): Promise<void>;
}

/** @throws the bind's error (`EADDRINUSE`, …). */
export async function listen(api: Api, options: ListenOptions): Promise<Listener> {
  const door = new Door(api, options);
  const server = createServer(
    {
      ...options.tls,
      minVersion: "TLSv1.2",
      handshakeTimeout: limits.handshakeTimeoutMs,
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.headersTimeoutMs / 2,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      // Our own check also answers: Node's would be silent about the reason.
      requireHostHeader: false,
      insecureHTTPParser: false,
    },
    (request, response) => void door.handle(request, response),
  );
  server.maxHeadersCount = limits.headersCountMax;
  door.attach(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: options.port, host: options.host ?? "127.0.0.1", backlog: 511 }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return { port: (server.address() as AddressInfo).port, close: (graceMs) => door.close(server, graceMs) };
}

class Door {
  readonly #api: Api;
  readonly #options: ListenOptions;
  readonly #allowedHosts: ReadonlySet<string>;
  readonly #closing = new AbortController();
  readonly #connections = new Connections();
  readonly #inFlight = new Budget({
    total: limits.requestsInFlightMax,
    perUser: limits.requestsInFlightPerUserMax,
  });
  readonly #bodies: Bodies;

  constructor(api: Api, options: ListenOptions) {
    this.#api = api;
    this.#options = options;
    this.#bodies = new Bodies(api.clock);
    this.#allowedHosts = new Set((options.allowedHosts ?? []).map((host) => host.toLowerCase()));
  }

  attach(server: Server): void {
    const { metrics } = this.#api;
    server.on("connection", (socket: Socket) => {
      const closed = this.#connections.opened(socket);
      if (closed === undefined) return;
      metrics.dropped.add({ reason: "TOO_MANY_STRANGERS" });
      closed.destroy();
    });
    server.on("secureConnection", (socket) => {
      metrics.connections.add({}, 1);
      socket.once("close", () => metrics.connections.add({}, -1));
    });
    server.on("tlsClientError", (problem, socket) => this.#drop(problem, socket));
    server.on("clientError", (problem, socket) => this.#drop(problem, socket));
    // A listener for these keeps Node from treating them as plain requests: they pass the same guard, and are refused.
    server.on("upgrade", (request, socket) => void this.#refuseUpgrade(request, socket));
    server.on("connect", (request, socket) => void this.#refuseUpgrade(request, socket));
    server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) =>
      this.#refuse(request, response, statusOf(badRequest("Expect is not supported"))),
    );
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => response.destroy());
    // Before anything is awaited: a client that leaves early must still end what it started.
    const gone = new AbortController();
    response.once("close", () => {
      gone.abort(new Error("the client is gone"));
    });
    try {
      const checked = await this.#admit(request);
      if ("refusal" in checked) {
        this.#refuse(request, response, checked.refusal);
        return;
      }
      const { user } = checked;
      const call = await this.#read(request, user, gone.signal);
      // Only now does it cost anything but memory: a body that comes slowly must not stand in others' way.
      if (!this.#inFlight.take(user)) throw this.#busy("too many requests at once, please try again later");
      await this.#answer(call, response);
    } catch (problem) {
      this.#fail(request, response, problem);
    }
  }

  /** The request is among those in flight, until it is answered or begins to wait. */
  async #answer(call: ApiRequest, response: ServerResponse): Promise<void> {
    let long = false;
    try {
      const answer = await this.#api.handle(call);
      long = "events" in answer.body || "stream" in answer.body;
      if (long) this.#inFlight.give(call.user);
      await writeResponse(response, call, answer, this.#api.metrics);
    } finally {
      if (!long) this.#inFlight.give(call.user);
    }
  }

  #busy(message: string): StatusError {
    this.#api.metrics.refused.add({ reason: "busy" });
    return tooManyRequests(message, 1);
  }

  async close(server: Server, graceMs: number): Promise<void> {
    this.#closing.abort(new Error("the API server is closing"));
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    if (graceMs <= 0) server.closeAllConnections();
    const timer = this.#api.clock.timer(graceMs, () => server.closeAllConnections());
    await closed;
    timer.cancel();
  }

  /** Host, Origin and target first, on every route and method; then who it is. */
  async #admit(request: IncomingMessage): Promise<{ readonly user: User } | { readonly refusal: Status }> {
    const { metrics } = this.#api;
    if (this.#closing.signal.aborted) return { refusal: statusOf(serviceUnavailable("the API server is closing")) };
    const { httpVersion, method = "", url = "", rawHeaders, headers } = request;
    const refusal = refusalOf({ httpVersion, method, url, rawHeaders }, this.#allowedHosts);
    if (refusal !== undefined) {
      metrics.refused.add({ reason: refusal.reason });
      return { refusal: plainStatus(refusal.status, refusal.message) };
    }
    const { authorization } = headers;
    const user = await this.#options.authenticator.authenticate(authorization);
    if (user !== undefined) {
      if (this.#connections.belongsTo(request.socket, user)) return { user };
      return { refusal: statusOf(this.#busy("too many connections, please close some or try again later")) };
    }
    metrics.refused.add({ reason: "auth" });
    return { refusal: statusOf(unauthorized()) };
  }

  async #read(request: IncomingMessage, user: User, gone: AbortSignal): Promise<ApiRequest> {
    const { pathname, search } = splitTarget(request.url ?? "/");
    // Nobody who sends no token has anything to say.
    const body = await this.#bodies.read(request, user);
    const headers = request.headers as Readonly<Record<string, string | undefined>>;
    return {
      method: request.method as Method,
      path: decodePath(pathname),
      query: new URLSearchParams(search),
      headers,
      user,
      ...(body !== undefined && { body }),
      signal: AbortSignal.any([gone, this.#closing.signal]),
    };
  }

  async #refuseUpgrade(request: IncomingMessage, socket: Duplex): Promise<void> {
    socket.on("error", () => socket.destroy());
    const checked = await this.#admit(request).catch(() => ({ refusal: plainStatus(500, "internal error") }));
    const status =
      "refusal" in checked
        ? checked.refusal
        : plainStatus(
            400,
            "upgrading the connection is not supported: exec, attach and port-forward are not served yet",
          );
    const body = JSON.stringify(status);
    const head = Object.entries({ ...securityHeaders, "content-type": "application/json", connection: "close" });
    socket.end(
      `HTTP/1.1 ${status.code ?? 400} Refused\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join("")}` +
        `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  #refuse(request: IncomingMessage, response: ServerResponse, status: Status): void {
    const body = JSON.stringify(status);
    const retryAfter = status.details?.retryAfterSeconds;
    response.writeHead(status.code ?? 500, {
      ...securityHeaders,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...(status.code === 401 && { "www-authenticate": 'Bearer realm="wherry"' }),
      ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
      // With a body that nobody read the connection can't be used again.
      ...(!request.complete && hasBody(request) && { connection: "close" }),
    });
    response.end(body);
  }

  #fail(request: IncomingMessage, response: ServerResponse, problem: unknown): void {
    const left = request.destroyed && !request.complete;
    if (left || response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const status = statusOf(problem);
    if (status.code === 500)
      this.#options.log.error({ err: asError(problem) }, "a request failed for a reason that is ours");
    this.#refuse(request, response, status);
  }

  #drop(problem: Error & { code?: string }, socket: Socket | Duplex): void {
    // Node stops reading when many pipelined answers wait, and takes what TLS still hands it for an error. No Kubernetes client
    // pipelines; one that does repeats what was not answered (RFC 9112 §9.3.2).
    const reason = problem.code === "HPE_PAUSED" ? "PIPELINED" : (problem.code ?? "UNKNOWN");
    this.#api.metrics.dropped.add({ reason });
    this.#options.log.debug({ code: problem.code }, "dropped a connection");
    socket.destroy();
  }
}

const plainStatus = (code: number, message: string): Status => ({
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Failure",
  message,
  reason: code === 403 ? "Forbidden" : "BadRequest",
  code,
});

/** Of a target that passed the guard. */
function splitTarget(target: string): { readonly pathname: string; readonly search: string } {
  const path = target.replace(/^https?:\/\/[^/?]*/i, "");
  const question = path.indexOf("?");
  return question < 0
    ? { pathname: path, search: "" }
    : { pathname: path.slice(0, question), search: path.slice(question + 1) };
}

/** A trailing slash names the same thing. @throws StatusError 400 for escapes that are none. */
function decodePath(pathname: string): string[] {
  const segments = pathname.replace(/^\//, "").replace(/\/$/, "").split("/");
  try {
    return pathname === "/" || pathname === "" ? [] : segments.map(decodeURIComponent);
  } catch {
    throw badRequest("the path has a malformed escape");
  }
}
