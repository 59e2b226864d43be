// The dashboard's page and figures, over HTTP on this machine alone. Whoever does not know its address, which has a secret in it, gets
// nothing: neither other users nor web pages that a browser has open. It only reads.
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { asError } from "@wherry/core";
import { policyOf } from "@wherry/core/page-policy";
import { CliError } from "../errors.ts";
import type { Figures } from "./gather.ts";

const { createServer } = process.getBuiltinModule("node:http");

export interface DashboardServer {
  /** With the secret. */
  readonly url: string;
  close(): void;
}

export interface DashboardServerOptions {
  readonly figures: () => Promise<Figures>;
  readonly port: number;
  /** Some 120 bits, in letters and digits. */
  readonly secret: string;
}

/** @throws CliError when the port is taken */
export function serveDashboard({ figures, port, secret }: DashboardServerOptions): Promise<DashboardServer> {
  const page = readFileSync(new URL("dashboard.html", import.meta.url));
  const pageHeaders = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policyOf(page.toString()),
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.setHeader("cache-control", "no-store");
    response.setHeader("x-content-type-options", "nosniff");
    // The address must not be told to the pages that the links lead to.
    response.setHeader("referrer-policy", "no-referrer");
    const path = isOwnHost(request) ? behindSecret(request.url ?? "", secret) : undefined;
    if (request.method !== "GET" && request.method !== "HEAD") response.writeHead(405, { allow: "GET, HEAD" }).end();
    else if (path === "/") response.writeHead(200, pageHeaders).end(page);
    else if (path === "/figures") await sendFigures(figures, response);
    else response.writeHead(404).end();
  };
  const http = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    void answer(request, response);
  });
  http.maxConnections = 64;
  return new Promise((resolve, reject) => {
    http.once("error", (error: NodeJS.ErrnoException) => {
      const todo = error.code === "EADDRINUSE" ? "is taken: choose another one with --port" : `(${error.message})`;
      reject(new CliError(`port ${port} of 127.0.0.1 ${todo}`));
    });
    http.listen(port, "127.0.0.1", () => {
      const { port: taken } = http.address() as AddressInfo;
      const close = (): void => {
        http.close();
        http.closeAllConnections();
      };
      resolve({ url: `http://127.0.0.1:${taken}/${secret}/`, close });
    });
  });
}

/** What follows the secret, compared in constant time; undefined for another one. */
function behindSecret(url: string, secret: string): string | undefined {
  const expected = Buffer.from(`/${secret}`);
  const given = Buffer.alloc(expected.length);
  given.write(url);
  return timingSafeEqual(given, expected) ? url.slice(expected.length) : undefined;
}

/** A name of somebody's own that leads here is how web pages get around a browser's rules (DNS rebinding). */
const isOwnHost = ({ headers }: IncomingMessage): boolean =>
  /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? "");

async function sendFigures(figures: () => Promise<Figures>, response: ServerResponse): Promise<void> {
  let [status, body]: [number, unknown] = [200, undefined];
  try {
    body = await figures();
  } catch (error) {
    [status, body] = [503, { error: asError(error).message }];
  }
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
