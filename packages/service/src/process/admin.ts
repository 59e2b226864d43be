// The admin port: health for probes and metrics for Prometheus, over plain HTTP. Read-only; it never touches a request.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { asError, WherryError } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { checkAccess } from "../http/access.ts";
import { Places } from "../http/places.ts";
import { adminConnectionsMax, adminHeadersTimeoutMs, adminRequestTimeoutMs, httpTimeoutCheckMs } from "../limits.ts";
import { exposition, type ProcessFacts } from "../metrics/exposition.ts";
import { metricsContentType } from "../metrics/text.ts";
import type { HealthState } from "../server/health.ts";
import type { Server } from "../server/server.ts";
import type { Together } from "./together.ts";

// Not imported: an import also evaluates the WebSocket exports of node:http, which load undici, some 30 ms of each start.
const { createServer } = process.getBuiltinModule("node:http");

export interface Admin {
  /** `http://127.0.0.1:9000`, with the port that was taken. */
  readonly url: string;
  close(): void;
}

/** Health as the probes see it. */
export interface Health {
  readonly status: number;
  readonly state: HealthState;
}

/** Ready: may get new requests. An overloaded service is: what it has no room for goes elsewhere by itself. */
export function readiness({ healthState: state }: Pick<Server, "healthState">): Health {
  return { status: state === "ready" || state === "overloaded" ? 200 : 503, state };
}

/** Alive: makes progress. Overloaded, starting and draining services are alive. */
export function liveness({ healthState: state }: Pick<Server, "healthState">): Health {
  return { status: state === "stuck" ? 503 : 200, state };
}

/**
 * Listens on `host:port`; port 0 takes a free one.
 * @throws WherryError SERVICE_ADMIN_BIND_FAILED
 */
export function startAdmin(together: Together, host: string, port: number, facts: ProcessFacts = {}): Promise<Admin> {
  const timeouts = {
    requestTimeout: adminRequestTimeoutMs,
    headersTimeout: adminHeadersTimeoutMs,
    connectionsCheckingInterval: httpTimeoutCheckMs,
  };
  const http = createServer(timeouts, (request, response) => {
    const { address } = http.address() as AddressInfo;
    if (mayAsk(request, response, address, together)) void answer(together, facts, request, response);
  });
  http.maxConnections = adminConnectionsMax;
  // Who took them all would have the pod killed: its probes ask here.
  const places = new Places(adminConnectionsMax);
  http.on("connection", (socket: Socket) => places.take(socket));
  return new Promise((resolve, reject) => {
    http.once("error", (error: NodeJS.ErrnoException) => reject(bindError(error, host, port)));
    http.listen(port, host, () => {
      const { address, port: taken } = http.address() as AddressInfo;
      const url = `http://${address.includes(":") ? `[${address}]` : address}:${taken}`;
      const close = (): void => {
        http.close();
        http.closeAllConnections();
      };
      resolve({ url, close });
    });
  });
}

function bindError(error: NodeJS.ErrnoException, host: string, port: number): WherryError {
  const taken = error.code === "EADDRINUSE";
  const cause = taken ? "is taken by another program" : `cannot be bound (${error.code ?? error.message})`;
  const todo = taken
    ? "stop that program, or choose another port with --admin-port or ADMIN_PORT"
    : "choose another address with --host, HOST or POD_IP, or another port with --admin-port";
  const details = { host, port };
  return new WherryError(`admin port ${host}:${port} ${cause}; ${todo}`, {
    code: "SERVICE_ADMIN_BIND_FAILED",
    details,
  });
}

/** On this machine alone, a page of anybody's could read all this through a name that it points here (DNS rebinding). */
function mayAsk(
  { headers }: IncomingMessage,
  response: ServerResponse,
  address: string,
  { servers }: Together,
): boolean {
  const names = servers.map(({ service }) => service.name);
  try {
    checkAccess(headers.host, headers.origin, { hosts: undefined, cors: [], address, names });
    return true;
  } catch (error) {
    if (!ServiceError.is(error)) throw error;
    const [reason = ""] = error.message.split(";", 1);
    json(response, error.status ?? 400, { error: reason });
    return false;
  }
}

async function answer(
  together: Together,
  facts: ProcessFacts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = "", url = "/" } = request;
  const [path = "/"] = url.split("?", 1);
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    json(response, 405, { error: `expected GET or HEAD, got ${method}` });
  } else if (path === "/healthz" || path === "/livez") health(response, together, liveness(together));
  else if (path === "/readyz") health(response, together, readiness(together));
  else if (path === "/metrics") await metrics(response, together, facts);
  else json(response, 404, { error: `no page ${path}; there are /healthz, /livez, /readyz and /metrics` });
}

async function metrics(response: ServerResponse, { servers }: Together, facts: ProcessFacts): Promise<void> {
  try {
    const text = await exposition(servers, facts);
    response.writeHead(200, { "content-type": metricsContentType }).end(text);
  } catch (error) {
    servers[0]?.log.error({ err: asError(error) }, "metrics could not be written");
    json(response, 500, { error: "metrics could not be written; see the log" });
  }
}

function health(response: ServerResponse, { servers }: Together, { status, state }: Health): void {
  const [first, ...others] = servers;
  const names = servers.map(({ service }) => service.name).join("+");
  const each = Object.fromEntries(servers.map(({ service, healthState }) => [service.name, healthState]));
  json(response, status, {
    status: state,
    service: names,
    instance: first?.instance,
    ...(others.length === 0 ? {} : { services: each }),
  });
}

function json(response: ServerResponse, status: number, body: Readonly<Record<string, unknown>>): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}
