// The client's transport over HTTPS (or HTTP): kept-alive connections for requests, one connection of its own for each watch.
// An adapter: it owns sockets and their timeouts, and knows nothing of resources.
import type { Agent as PlainAgent, ClientRequest, IncomingMessage } from "node:http";
import { Agent as HttpsAgent, type AgentOptions, request as httpsRequest } from "node:https";
import { asError, type Clock, SystemClock, WherryError } from "@wherry/core";
import { StatusError } from "../status.ts";
import type { WatchEvent } from "../types/index.ts";
import { type Authorization, authorizationOf } from "./credentials.ts";
import { readBody, readJson, warningsOf } from "./http-answer.ts";
import * as limits from "./limits.ts";
import { statusOfAnswer } from "./refusal.ts";
import type { Transport, TransportRequest, TransportResponse } from "./types.ts";
import { readEvents } from "./watch-stream.ts";

// Not imported: an import also evaluates the WebSocket exports of node:http, which load undici, some 30 ms of each start.
const { Agent: HttpAgent, request: httpRequest } = process.getBuiltinModule("node:http");

export interface HttpTransportOptions {
  /** `https://127.0.0.1:6443`; a path in it comes before every request's. */
  readonly server: string;
  /** PEM of the authorities that the server's certificate may come from; the system's own when absent. */
  readonly ca?: string | Buffer;
  /** The name that the server's certificate is checked for, if it isn't that of `server`. */
  readonly tlsServerName?: string;
  /** Accepts any certificate: whoever sits in between can read and change everything. */
  readonly insecureSkipTlsVerify?: boolean;
  readonly token?: string;
  /** Read again from time to time; wins over `token`. */
  readonly tokenFile?: string;
  /** PEM, with `clientKey`. */
  readonly clientCertificate?: string | Buffer;
  readonly clientKey?: string | Buffer;
  readonly userAgent?: string;
  /** For the token file's age; the machine's when absent. */
  readonly clock?: Clock;
}

/** A transport that can be shut: what is under way is cut off, and no socket stays. */
export interface HttpTransport extends Transport {
  close(): void;
}

/**
 * Idle connections don't keep the process alive; call `close` to drop them at once.
 * @throws WherryError `KUBE_CLIENT_CONFIG` for a server that is no http(s) URL.
 */
export function httpTransport(options: HttpTransportOptions): HttpTransport {
  return new SocketTransport(options);
}

class SocketTransport implements HttpTransport {
  readonly #server: URL;
  readonly #agent: PlainAgent | HttpsAgent;
  /** Watches must not take the connections that requests wait for. */
  readonly #watchAgent: PlainAgent | HttpsAgent;
  readonly #send: typeof httpRequest;
  readonly #authorization: Authorization;
  readonly #userAgent: string;
  readonly #open = new Set<ClientRequest>();

  constructor(options: HttpTransportOptions) {
    this.#server = serverOf(options.server);
    const tls = this.#server.protocol === "https:";
    const idle = { keepAlive: true, maxSockets: limits.connectionsMax, timeout: limits.idleConnectionMs };
    const identity = tls ? tlsOf(options) : {};
    this.#agent = tls ? new HttpsAgent({ ...idle, ...identity }) : new HttpAgent(idle);
    this.#watchAgent = tls ? new HttpsAgent({ ...identity, keepAlive: false }) : new HttpAgent({ keepAlive: false });
    this.#send = tls ? httpsRequest : httpRequest;
    this.#authorization = authorizationOf({ clock: new SystemClock(), ...options });
    this.#userAgent = options.userAgent ?? "wherry";
  }

  async request(request: TransportRequest): Promise<TransportResponse> {
    const { signal } = request;
    try {
      return await this.#exchange(request);
    } catch (error) {
      throw signal?.aborted === true ? (signal.reason as Error) : this.#unreachable(error);
    }
  }

  async *watch(request: TransportRequest): AsyncGenerator<WatchEvent, void, undefined> {
    const { signal } = request;
    let response: IncomingMessage | undefined;
    try {
      response = await this.#begin(request, this.#watchAgent);
      // From here on silence is nothing unusual; a peer that is gone is found by TCP's own probes.
      response.socket.setTimeout(0);
      response.socket.setKeepAlive(true, limits.watchProbeMs);
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) {
        const text = await readBody(response, limits.answerBytesMax);
        throw new StatusError(statusOfAnswer(status, readJson(response, text), request));
      }
      yield* readEvents(response);
    } catch (error) {
      if (signal?.aborted !== true) throw this.#unreachable(error);
    } finally {
      // The reader left, or the stream is over: either way nothing may stay open.
      response?.destroy();
    }
  }

  close(): void {
    for (const request of this.#open) request.destroy(new Error("the transport was closed"));
    this.#agent.destroy();
    this.#watchAgent.destroy();
  }

  async #exchange(request: TransportRequest): Promise<TransportResponse> {
    const response = await this.#begin(request, this.#agent).catch((error: unknown) => {
      // The server closed the kept connection just when we took it. A read may simply be asked again.
      if (error instanceof StaleConnection && request.method === "GET") return this.#begin(request, this.#agent);
      throw error;
    });
    const text = await readBody(response, limits.answerBytesMax);
    return { status: response.statusCode ?? 0, body: readJson(response, text), ...warningsOf(response) };
  }

  /** Sends the request; resolves with the head of the answer. */
  async #begin(request: TransportRequest, agent: PlainAgent): Promise<IncomingMessage> {
    const { method, signal } = request;
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const headers = await this.#headers(request, body);
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const sent = this.#send(this.#url(request), { method, headers, agent, timeout: limits.requestTimeoutMs });
      const abort = (): void => void sent.destroy(asError(signal?.reason));
      this.#open.add(sent);
      signal?.addEventListener("abort", abort, { once: true });
      sent.on("close", () => {
        this.#open.delete(sent);
        signal?.removeEventListener("abort", abort);
      });
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${limits.requestTimeoutMs} ms`)));
      sent.on("error", (error) => reject(sent.reusedSocket ? new StaleConnection(error) : error));
      sent.on("response", resolve);
      sent.end(body);
    });
  }

  async #headers(request: TransportRequest, body: Buffer | undefined): Promise<Record<string, string>> {
    const authorization = await this.#authorization();
    return {
      accept: "application/json",
      "user-agent": this.#userAgent,
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined
        ? {}
        : { "content-type": request.contentType ?? "application/json", "content-length": String(body.length) }),
      ...request.headers,
    };
  }

  #url({ path, query }: TransportRequest): URL {
    const url = new URL(this.#server);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/${path.map(encodeURIComponent).join("/")}`;
    url.search = query?.toString() ?? "";
    return url;
  }

  #unreachable(error: unknown): Error {
    if (WherryError.is(error)) return error;
    const problem = asError(error) as Error & { code?: string };
    const what = problem.code === undefined ? problem.message : `${problem.code} (${problem.message})`;
    return new WherryError(`expected an answer of ${this.#server.origin}, got: ${what}; is the cluster running?`, {
      code: "KUBE_UNREACHABLE",
      retryable: true,
      details: { server: this.#server.origin },
      cause: error,
    });
  }
}

/** A connection that was used before broke before the answer came. */
class StaleConnection extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

function serverOf(server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url !== undefined && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw new WherryError(`expected a server such as https://127.0.0.1:6443, got ${server}`, {
    code: "KUBE_CLIENT_CONFIG",
  });
}

function tlsOf(options: HttpTransportOptions): AgentOptions {
  const { ca, tlsServerName, insecureSkipTlsVerify, clientCertificate, clientKey } = options;
  return {
    minVersion: "TLSv1.2",
    ...(ca === undefined ? {} : { ca }),
    ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
    ...(insecureSkipTlsVerify === true ? { rejectUnauthorized: false } : {}),
    ...(clientCertificate === undefined ? {} : { cert: clientCertificate }),
    ...(clientKey === undefined ? {} : { key: clientKey }),
  };
}
