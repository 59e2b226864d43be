// Makes the HTTP port of a server: binds it, with its limits, and joins it to the server's life. What happens on it is in source.ts.
import { WherryError } from "@wherry/core";
import {
  httpConnectionsMax,
  httpHeaderBytesMax,
  httpHeadersTimeoutMs,
  httpKeepAliveMs,
  httpStallMs,
  httpTimeoutCheckMs,
} from "../limits.ts";
import type { Server } from "../server/server.ts";
import { HttpSource, type SourceOptions } from "./source.ts";

// Not imported: see process/admin.ts.
const { createServer } = process.getBuiltinModule("node:http");

/**
 * Listens on `host`, and serves the server's methods.
 * @throws WherryError SERVICE_HTTP_BIND_FAILED
 */
export async function startHttp(
  server: Server,
  host: string,
  port: number,
  options: SourceOptions = {},
): Promise<HttpSource> {
  const { headersTimeoutMs = httpHeadersTimeoutMs, timeoutCheckMs = httpTimeoutCheckMs } = options.limits ?? {};
  const http = createServer({
    maxHeaderSize: httpHeaderBytesMax,
    headersTimeout: headersTimeoutMs,
    // Bodies have a limit of their own: some are streams. See exchange.ts.
    requestTimeout: 0,
    connectionsCheckingInterval: timeoutCheckMs,
    keepAliveTimeout: httpKeepAliveMs,
    noDelay: true,
    // Who is gone without a word, in the middle of a stream that has nothing to say, is found out.
    keepAlive: true,
    keepAliveInitialDelay: httpStallMs,
  });
  // Who closes his side may wait for the answer: connection.ts says for how long. Node has no option for it.
  (http as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true;
  http.maxConnections = options.limits?.connectionsMax ?? httpConnectionsMax;
  await new Promise<void>((resolve, reject) => {
    http.once("error", (error: NodeJS.ErrnoException) => reject(bindError(error, host, port)));
    http.listen(port, host, resolve);
  });
  http
    .removeAllListeners("error")
    .on("error", (error) => server.log.warn({ err: error }, "the HTTP port had an error"));
  const source = new HttpSource(server, http, options);
  server.attach(source);
  return source;
}

function bindError(error: NodeJS.ErrnoException, host: string, port: number): WherryError {
  const taken = error.code === "EADDRINUSE";
  const cause = taken ? "is taken by another program" : `cannot be bound (${error.code ?? error.message})`;
  const todo = taken
    ? "stop that program, or choose another port"
    : "choose another address with --host, or another port";
  return new WherryError(`HTTP port ${host}:${port} ${cause}; ${todo} with --http-port or HTTP_PORT`, {
    code: "SERVICE_HTTP_BIND_FAILED",
    details: { host, port },
  });
}
