// The HTTP port as its clients see it: real sockets, Node's fetch, and requests written by hand.
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect as connectTcp, type Socket } from "node:net";
import { VirtualClock } from "@wherry/core/testing";
import { type } from "arktype";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { ServiceError } from "../errors.ts";
import { bodyBytesMax, httpHalfClosedMs, httpPipelineMax } from "../limits.ts";
import type { Ending } from "../server/hand-back.ts";
import { serve, type ServeOptions } from "../server/serve.ts";
import { method, service } from "../define.ts";
import type { Methods, ServiceDefinition } from "../service.ts";
import type { RequestContext } from "../handler.ts";
import type { HttpOptions } from "./source.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start<const M extends Methods>(
  definition: ServiceDefinition<M>,
  http: HttpOptions = {},
  options: ServeOptions = {},
) {
  const crashes: Ending[] = [];
  const onCrash = (ending: Ending): void => void crashes.push(ending);
  const { server, httpUrl = "" } = await serve(service("shop", definition), { ...options, http, onCrash });
  cleanups.push(() => server.close());
  return { server, url: httpUrl, crashes, port: Number(new URL(httpUrl).port) };
}

async function ask(url: string, init: RequestInit = {}) {
  const response = await fetch(url, init);
  const text = await response.text();
  const value: unknown = text === "" ? undefined : JSON.parse(text);
  return { status: response.status, value: value as Record<string, unknown>, headers: response.headers };
}

const json = (body: unknown, headers: Readonly<Record<string, string>> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

/** A handler that waits until it is let go. */
function gate() {
  const started: unknown[] = [];
  const contexts: RequestContext[] = [];
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const handler = (body: unknown, context: RequestContext): Promise<unknown> => {
    started.push(body);
    contexts.push(context);
    return promise;
  };
  return { started, contexts, handler, open: resolve };
}

/** Bytes by hand: what came so far, and whether the other side closed. */
function raw(port: number) {
  const socket: Socket = connectTcp(port, "127.0.0.1").on("error", () => undefined);
  const seen = { text: "", closed: false };
  socket.setEncoding("latin1").on("data", (text: string) => (seen.text += text));
  socket.on("end", () => (seen.closed = true)).on("close", () => (seen.closed = true));
  cleanups.push(() => socket.destroy());
  return { socket, seen };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
const statusesOf = (text: string): number[] => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]));

describe("a method over HTTP", () => {
  test("takes a JSON body and answers JSON; bytes are bytes, nothing is 204", async () => {
    const { url } = await start({ methods: { echo: (body: unknown) => body } });
    const { status, value, headers } = await ask(`${url}/echo`, json({ nested: [1, null, "ü"] }));
    expect([status, value]).toEqual([200, { nested: [1, null, "ü"] }]);
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("cache-control")).toBe("no-store");
    const bytes = await fetch(`${url}/echo`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: Uint8Array.of(0, 255),
    });
    expect(bytes.headers.get("content-type")).toBe("application/octet-stream");
    expect(Buffer.from(await bytes.arrayBuffer())).toEqual(Buffer.from([0, 255]));
    expect((await fetch(`${url}/echo`, { method: "POST" })).status).toBe(204);
  });

  test("gets path and query as its body, typed as its schema says", async () => {
    const schema = z.object({
      item: z.string(),
      count: z.number().int().default(1),
      tags: z.array(z.number()).optional(),
      fresh: z.boolean().optional(),
    });
    const { url } = await start({
      methods: {
        stock: method({ http: "GET /stock/{item}", input: schema, handler: (body) => body }),
        put: method({
          http: "PUT /stock/{count}",
          input: type({ count: "number", "color?": "string" }),
          handler: (body) => body,
        }),
        loose: method({ http: "GET /loose", handler: (body: unknown) => body }),
      },
    });
    const asked = await ask(`${url}/stock/12%2F3?count=4&tags=5&fresh=true`);
    expect(asked.value).toEqual({ item: "12/3", count: 4, tags: [5], fresh: true });
    expect((await ask(`${url}/stock/cup`)).value).toEqual({ item: "cup", count: 1 });
    const put = { ...json({ color: "red", count: 0 }), method: "PUT" };
    expect((await ask(`${url}/stock/7`, put)).value).toEqual({ color: "red", count: 7 });
    expect((await ask(`${url}/loose?a=1&b=x&b=y&__proto__=z`)).value).toEqual(
      JSON.parse('{"a":"1","b":["x","y"],"__proto__":"z"}'),
    );
    const refused = await ask(`${url}/stock/cup?count=many`);
    expect(refused).toMatchObject({ status: 400, value: { code: "INVALID", detail: /count/ } });
    const list = await ask(`${url}/stock/7`, { ...json([1]), method: "PUT" });
    expect(list).toMatchObject({ status: 400, value: { detail: /expected a JSON object/ } });
  });

  test("gets the key, the trace, the deadline and who asks", async () => {
    const { url } = await start({
      methods: {
        look: (_body: unknown, { key, trace, remainingMs, peer, attempt }: RequestContext) => ({
          key,
          trace,
          remainingMs,
          peer,
          attempt,
        }),
      },
    });
    const trace = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`;
    const headers = { "idempotency-key": '"order-7"', traceparent: trace, "connect-timeout-ms": "60000" };
    const { value } = await ask(`${url}/look`, json(null, headers));
    expect(value).toMatchObject({
      key: "order-7",
      trace: expect.stringMatching(`^00-${"1".repeat(32)}-`),
      attempt: 1,
      peer: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    });
    expect(value["remainingMs"]).toBeGreaterThan(5000);
    const untraced = await ask(`${url}/look`, json(null, { ...headers, traceparent: "nonsense" }));
    expect(untraced).toMatchObject({ status: 200, value: { trace: expect.stringMatching(/^00-[0-9a-f]{32}-/) } });
    const proxied = await ask(`${url}/look`, json(null, { ...headers, "x-envoy-expected-rq-timeout-ms": "0" }));
    expect(proxied).toMatchObject({ status: 504, value: { code: "DEADLINE_EXCEEDED", fate: "not-started" } });
    const wrong = await ask(`${url}/look`, json(null, { "connect-timeout-ms": "soon" }));
    expect(wrong).toMatchObject({
      status: 400,
      value: { detail: /connect-timeout-ms: expected milliseconds, got "soon"/ },
    });
    expect((await ask(`${url}/look`, json(null, { "idempotency-key": "k".repeat(256) }))).status).toBe(400);
  });

  test("runs in the same order, one after the other, as what comes over ZeroMQ", async () => {
    const slow = gate();
    const { url, server } = await start({ methods: { wait: slow.handler } });
    const answers = [1, 2, 3].map((body) => ask(`${url}/wait`, json(body)));
    await expect.poll(() => server.executor.queued).toBe(2);
    expect(slow.started).toHaveLength(1);
    slow.open("done");
    expect((await Promise.all(answers)).map(({ value }) => value)).toEqual(["done", "done", "done"]);
    expect(server.metrics.methods.get("wait")?.outcomes.get("OK")).toBe(3);
    expect(server.metrics.http.get("200")).toBe(3);
  });

  test("answers HEAD and OPTIONS, and says what a path takes", async () => {
    const { url } = await start({ methods: { stock: { http: "GET /stock", handler: () => [1, 2] }, buy: () => 1 } });
    const head = await ask(`${url}/stock`, { method: "HEAD" });
    expect([head.status, head.value, head.headers.get("content-length")]).toEqual([200, undefined, "5"]);
    const options = await ask(`${url}/stock`, { method: "OPTIONS" });
    expect([options.status, options.headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS"]);
    const wrong = await ask(`${url}/buy`);
    expect(wrong).toMatchObject({
      status: 405,
      value: { code: "NOT_FOUND", detail: "/buy takes POST, OPTIONS, got GET" },
    });
    expect(wrong.headers.get("allow")).toBe("POST, OPTIONS");
    expect(await ask(`${url}/nope`)).toMatchObject({
      status: 404,
      value: { detail: /it has GET \/stock, POST \/buy/ },
    });
    expect((await ask(`${url}/%ff`)).status).toBe(404);
  });

  test("that trusts its callers is not there, unless it says where", async () => {
    const internal = { trust: "internal", input: z.number(), handler: (body: number) => body } as const;
    const { url, crashes } = await start({ methods: { hidden: internal, told: { ...internal, http: "POST /told" } } });
    expect((await ask(`${url}/hidden`, json("no number"))).status).toBe(404);
    expect(crashes).toEqual([]);
    const crashed = await ask(`${url}/told`, json("no number"));
    expect(crashed).toMatchObject({ status: 500, value: { code: "ABORTED", fate: "maybe-executed" } });
    expect(crashes).toMatchObject([{ method: "told" }]);
  });
});

describe("errors over HTTP", () => {
  const fails = (error: () => unknown) =>
    start({
      methods: {
        fail: () => {
          throw error();
        },
      },
    });

  test.each([
    [new ServiceError("SOLD_OUT", "none left", { details: { left: 0 } }), 422, null],
    [new ServiceError("GONE", "no longer", { status: 410 }), 410, null],
    [new ServiceError("LATER", "wait", { retryable: true, retryAfterMs: 1500, status: 429 }), 429, "2"],
    [new ServiceError("LATER", "not any more", { retryable: true, retryAfterMs: -1500, status: 429 }), 429, "0"],
    [new ServiceError("NOT_FOUND", "no such item"), 404, null],
    [new ServiceError("INVALID", "not that"), 400, null],
    // Of a call that the method made: it did run.
    [new ServiceError("REFUSED", "the other one leaves", { fate: "not-started" }), 502, null],
    [new ServiceError("DEADLINE_EXCEEDED", "the other one is slow"), 504, null],
  ])("%s has a status and problem details", async (error, status, retryAfter) => {
    const { url } = await fails(() => error);
    const got = await ask(`${url}/fail`, json(1));
    const { code, message: detail, retryable, details } = error;
    expect(got.value).toMatchObject({ status, code, detail, fate: "answered", retryable, details });
    expect([got.status, got.headers.get("retry-after")]).toEqual([status, retryAfter]);
    expect(got.headers.get("content-type")).toBe("application/problem+json");
  });

  test("an invalid body lists what is wrong with it", async () => {
    const { url } = await start({
      methods: { buy: method({ input: z.object({ count: z.number() }), handler: () => 1 }) },
    });
    const { status, value } = await ask(`${url}/buy`, json({ count: "two" }));
    expect([status, value]).toMatchObject([
      400,
      { code: "INVALID", title: "Bad Request", details: { issues: [{ path: "count" }] } },
    ]);
    expect(await ask(`${url}/buy`, { ...json(1), body: "{" })).toMatchObject({
      status: 400,
      value: { detail: /expected JSON/ },
    });
  });

  test("a body of another type is refused: one that any web page may send", async () => {
    const { url } = await start({ methods: { echo: (body: unknown) => body } });
    for (const kind of ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"])
      expect(await ask(`${url}/echo`, json(1, { "content-type": kind }))).toMatchObject({
        status: 415,
        value: { code: "INVALID" },
      });
    expect((await ask(`${url}/echo`, json(1, { "content-encoding": "gzip" }))).status).toBe(415);
    expect((await ask(`${url}/echo`, json(1, { "content-type": "application/geo+json; charset=UTF-8" }))).status).toBe(
      200,
    );
  });

  test("a body too large is refused, said before or not, and the connection goes on", async () => {
    const { url, port } = await start({ methods: { echo: (body: unknown) => typeof body } });
    const large = "x".repeat(bodyBytesMax);
    expect(await ask(`${url}/echo`, json(large))).toMatchObject({
      status: 413,
      value: { code: "TOO_LARGE", fate: "not-started" },
    });
    const { socket, seen } = raw(port);
    socket.write("POST /echo HTTP/1.1\r\nhost: x\r\nhost: localhost\r\n\r\n".replace("host: x\r\n", ""));
    socket.write(
      "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    const chunk = `100000\r\n${"x".repeat(0x100000)}\r\n`;
    for (let megabyte = 0; megabyte < 9; megabyte++) socket.write(chunk);
    socket.write("0\r\n\r\n");
    socket.write("POST /echo HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await expect.poll(() => statusesOf(seen.text)).toEqual([200, 413, 200]);
  });

  test("a client that asks before it sends is told at once", async () => {
    const { port } = await start({ methods: { echo: (body: unknown) => body } });
    const head = (length: number): string =>
      `POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${length}\r\n\r\n`;
    const small = raw(port);
    small.socket.write(head(1));
    await expect.poll(() => small.seen.text).toContain("HTTP/1.1 100 Continue");
    small.socket.write("7");
    await expect.poll(() => statusesOf(small.seen.text)).toEqual([100, 200]);
    const large = raw(port);
    large.socket.write(head(bodyBytesMax + 1));
    await expect.poll(() => statusesOf(large.seen.text)).toEqual([413]);
  });

  test("a full queue is 503 with when to come back; so are too many requests of one connection", async () => {
    const slow = gate();
    const { url, port, server } = await start({
      methods: { wait: slow.handler, get: { http: "GET /wait", handler: slow.handler } },
      queueMax: 1,
    });
    const first = ask(`${url}/wait`, json(1));
    await expect.poll(() => slow.started).toHaveLength(1);
    const second = ask(`${url}/wait`, json(2));
    await expect.poll(() => server.executor.queued).toBe(1);
    const third = await ask(`${url}/wait`, json(3));
    expect(third).toMatchObject({ status: 503, value: { code: "BUSY", fate: "not-started", retryable: true } });
    expect(third.headers.get("retry-after")).toBe("1");
    slow.open(1);
    expect((await Promise.all([first, second])).map(({ status }) => status)).toEqual([200, 200]);
    const blocked = gate();
    const many = await start({ methods: { get: { http: "GET /wait", handler: blocked.handler } } });
    const { socket, seen } = raw(many.port);
    socket.write(get("/wait").repeat(httpPipelineMax + 3));
    await expect.poll(() => many.server.executor.queued).toBe(httpPipelineMax - 1);
    blocked.open(1);
    await expect.poll(() => statusesOf(seen.text)).toHaveLength(httpPipelineMax + 3);
    expect(statusesOf(seen.text).filter((status) => status === 503)).toHaveLength(3);
    expect(port).not.toBe(many.port);
  });

  test("what is no HTTP is 400, headers without end are 431", async () => {
    const { port } = await start({ methods: { echo: (body: unknown) => body } });
    const garbage = raw(port);
    garbage.socket.write("\0\0\0 nonsense\r\n\r\n");
    await expect.poll(() => [statusesOf(garbage.seen.text), garbage.seen.closed]).toEqual([[400], true]);
    const long = raw(port);
    long.socket.write(`GET /echo HTTP/1.1\r\nx: ${"y".repeat(20_000)}\r\n\r\n`);
    await expect.poll(() => statusesOf(long.seen.text)).toEqual([431]);
  });
});

describe("a client that leaves", () => {
  test("cancels its request, running or not; the service goes on", async () => {
    const slow = gate();
    const { url, server } = await start({ methods: { wait: slow.handler, ping: () => "pong" } });
    const running = new AbortController();
    const first = ask(`${url}/wait`, { ...json(1), signal: running.signal }).catch(() => "left");
    await expect.poll(() => slow.started).toHaveLength(1);
    const waiting = new AbortController();
    const second = ask(`${url}/wait`, { ...json(2), signal: waiting.signal }).catch(() => "left");
    await expect.poll(() => server.executor.queued).toBe(1);
    const { signal } = slow.contexts[0]!;
    waiting.abort();
    running.abort();
    expect(await Promise.all([first, second])).toEqual(["left", "left"]);
    await expect.poll(() => signal.aborted).toBe(true);
    slow.open(1);
    expect((await ask(`${url}/ping`, json(1))).value).toBe("pong");
    expect(slow.started).toHaveLength(1);
    expect(server.metrics.http.get("closed")).toBe(2);
  });

  test("only with its own side still gets its answer, for a second; then it counts as gone", async () => {
    const clock = new VirtualClock();
    const slow = gate();
    const { port, server } = await start({ methods: { wait: slow.handler }, concurrency: 3 }, {}, { clock });
    const asked =
      "POST /wait HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n";
    const [patient, pipelined] = [raw(port), raw(port)];
    patient.socket.end(`${asked}1`);
    pipelined.socket.end(`${asked}2${asked}3`);
    await expect.poll(() => slow.started).toHaveLength(3);
    slow.open("done");
    await expect.poll(() => statusesOf(patient.seen.text)).toEqual([200]);
    await expect.poll(() => statusesOf(pipelined.seen.text)).toEqual([200, 200]);
    await expect.poll(() => patient.seen.closed && pipelined.seen.closed).toBe(true);
    const slower = gate();
    const other = await start({ methods: { wait: slower.handler } }, {}, { clock });
    const gone = raw(other.port);
    gone.socket.end(`${asked}1`);
    await expect.poll(() => slower.started).toHaveLength(1);
    const { signal } = slower.contexts[0]!;
    await expect
      .poll(async () => {
        await clock.advance(httpHalfClosedMs);
        return signal.aborted;
      })
      .toBe(true);
    await expect.poll(() => gone.seen.closed).toBe(true);
    expect([server.metrics.http.get("closed"), other.server.metrics.http.get("closed")]).toEqual([undefined, 1]);
    slower.open(1);
  });

  test("only with its own side gets all of a large answer, however slowly it reads", async () => {
    const clock = new VirtualClock();
    const large = Buffer.alloc(bodyBytesMax - 1000, "x");
    const { port, server } = await start({ methods: { large: () => large } }, {}, { clock });
    const reader = raw(port);
    reader.socket.pause();
    reader.socket.end("POST /large HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await expect.poll(() => server.metrics.methods.get("large")?.count).toBe(1);
    await clock.advance(httpHalfClosedMs * 2);
    reader.socket.resume();
    await expect.poll(() => reader.seen.closed).toBe(true);
    expect(reader.seen.text.length).toBeGreaterThan(large.length);
  });

  test("who reads a stream is gone when it closes its side", async () => {
    const ended = Promise.withResolvers<string>();
    const watch = method({
      ...{ stream: "out", http: "GET /watch" },
      async *handler(_: unknown, { signal }) {
        yield 1;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        ended.resolve("stopped");
      },
    });
    const { port } = await start({ methods: { watch } });
    const reader = raw(port);
    reader.socket.write("GET /watch HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await expect.poll(() => reader.seen.text).toMatch(/x-ndjson[^]*1/);
    reader.socket.end();
    expect(await ended.promise).toBe("stopped");
  });

  test("in the middle of its body never reaches the method", async () => {
    const { url, port, server } = await start({ methods: { echo: (body: unknown) => body } });
    const { socket } = raw(port);
    socket.write(
      "POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    );
    await once(socket, "connect");
    socket.destroy();
    await expect.poll(() => server.metrics.http.get("closed")).toBe(1);
    expect((await ask(`${url}/echo`, json(1))).value).toBe(1);
    expect(server.metrics.methods.get("echo")?.count).toBe(1);
  });
});

describe("who may ask", () => {
  const echo = { methods: { echo: (body: unknown) => body, get: { http: "GET /get", handler: () => 1 } } } as const;
  const askAs = (port: number, headers: Readonly<Record<string, string>>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const request = httpRequest({ port, host: "127.0.0.1", path: "/get", headers, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on("error", reject).end();
    });

  test("by the Host header: on a loopback address only names that no outsider can own", async () => {
    const { port } = await start(echo);
    for (const host of ["localhost", "127.0.0.1:1", "[::1]:80", "shop.default.localhost:99", "shop", "shop:80"])
      expect([host, await askAs(port, { host })]).toEqual([host, 200]);
    const alike = [
      "localhost6",
      "localhost.",
      "evil-localhost",
      "2130706433",
      "127.1",
      "localhost:99:1",
      "[::1",
      "a b",
      "x@localhost",
    ];
    for (const host of ["evil.example", "shop.dev", "localhost.evil.example", "127.0.0.1.evil.example", ...alike])
      expect([host, await askAs(port, { host })]).toEqual([host, 421]);
    const named = await start(echo, { hosts: ["api.example"] });
    expect(await askAs(named.port, { host: "api.example:443" })).toBe(200);
    expect(await askAs(named.port, { host: "localhost" })).toBe(421);
  });

  test("by the Origin header: no other site's pages, unless allowed", async () => {
    const { port, url } = await start(echo);
    expect(await askAs(port, { host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200);
    expect(await askAs(port, { host: "localhost", origin: "https://evil.example" })).toBe(403);
    expect(await askAs(port, { host: "localhost", origin: "null" })).toBe(403);
    const preflight = { method: "OPTIONS", headers: { origin: "https://evil.example" } };
    expect((await ask(`${url}/echo`, preflight)).headers.get("access-control-allow-origin")).toBeNull();
    const open = await start(echo, { cors: ["https://shop.example"] });
    const allowed = await ask(`${open.url}/echo`, json(1, { origin: "https://shop.example" }));
    expect([allowed.status, allowed.headers.get("access-control-allow-origin"), allowed.headers.get("vary")]).toEqual([
      200,
      "https://shop.example",
      "origin",
    ]);
    const asks = { origin: "https://shop.example", "access-control-request-headers": "content-type" };
    const told = await ask(`${open.url}/echo`, { method: "OPTIONS", headers: asks });
    expect(told.headers.get("access-control-allow-headers")).toBe("content-type");
    expect(told.headers.get("access-control-allow-methods")).toBe("POST, OPTIONS");
    expect(await askAs(open.port, { host: "localhost", origin: "https://evil.example" })).toBe(403);
  });
});
