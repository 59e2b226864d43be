// What tests of streams over HTTP share: a service, requests that are written and answers that are read piece by piece, and a stream of
// each kind.
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { afterEach } from "vitest";
import { z } from "zod";
import { serve, type ServeOptions } from "../server/serve.ts";
import { method, service } from "../define.ts";
import type { Methods, ServiceDefinition } from "../service.ts";

/** What is closed after each test. */
export const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A service that serves over HTTP. */
export async function start<const M extends Methods>(definition: ServiceDefinition<M>, options: ServeOptions = {}) {
  const { server, httpUrl = "" } = await serve(service("shop", definition), { http: true, ...options });
  cleanups.push(() => server.close());
  return { server, url: httpUrl, port: Number(new URL(httpUrl).port) };
}

export const linesOf = (text: string): unknown[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);

export const post = (body?: string, headers: Readonly<Record<string, string>> = {}): RequestInit => ({
  method: "POST",
  ...(body === undefined ? {} : { body }),
  headers: { "content-type": "application/x-ndjson", ...headers },
});
export const json = (body: unknown): RequestInit => post(JSON.stringify(body), { "content-type": "application/json" });
export const asEvents = { headers: { accept: "text/event-stream" } };

/** A request that is written, and an answer that is read, piece by piece. */
export function open(url: string, options: { method?: string; headers?: Record<string, string> } = {}) {
  const request: ClientRequest = httpRequest(url, { method: "POST", ...options }).on("error", () => undefined);
  cleanups.push(() => request.destroy());
  const answered = once(request, "response").then(([response]) => response as IncomingMessage);
  answered.catch(() => undefined);
  return { request, answered };
}

/** What an answer has said so far. */
export function listen(response: IncomingMessage): { text: string; ended: boolean } {
  const heard = { text: "", ended: false };
  response.setEncoding("utf8").on("data", (text: string) => (heard.text += text));
  response.on("end", () => (heard.ended = true)).on("error", () => undefined);
  return heard;
}

export const upTo = method({
  stream: "out",
  input: z.object({ to: z.number() }),
  http: ["POST /upTo", "GET /up-to/{to}"],
  *handler({ to }) {
    for (let i = 1; i <= to; i++) yield { i };
    return "all";
  },
});
export const sum = method({
  stream: "in",
  input: z.number(),
  async handler(items) {
    let total = 0;
    for await (const item of items) total += item;
    return total;
  },
});
export const double = method({
  stream: "both",
  input: z.number(),
  async *handler(items) {
    for await (const item of items) yield item * 2;
  },
});
