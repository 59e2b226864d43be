// What the HTTP port does with clients that are slow on purpose, or many: real sockets, with small limits or a clock in the test's hand.
import { connect as connectTcp } from "node:net";
import { VirtualClock } from "@wherry/core/testing";
import { afterEach, expect, test } from "vitest";
import { httpRequestTimeoutMs } from "../limits.ts";
import { serve, type ServeOptions } from "../server/serve.ts";
import { service } from "../define.ts";
import type { SourceOptions } from "./source.ts";
import { startHttp } from "./start.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(limits: SourceOptions["limits"] = {}, options: ServeOptions = {}) {
  const { promise: held, resolve: release } = Promise.withResolvers<unknown>();
  const shop = service("shop", {
    methods: { echo: (body: unknown) => body, hold: () => held, big: () => Buffer.alloc(8 * 1024 * 1024) },
    concurrency: 10,
  });
  const { server } = await serve(shop, options);
  cleanups.push(() => server.close());
  const { url } = await startHttp(server, "127.0.0.1", 0, { limits });
  return { server, url, port: Number(new URL(url).port), release };
}

function raw(port: number) {
  const socket = connectTcp(port, "127.0.0.1").on("error", () => undefined);
  const seen = { text: "", closed: false };
  socket.setEncoding("latin1").on("data", (text: string) => (seen.text += text));
  socket.on("end", () => (seen.closed = true)).on("close", () => (seen.closed = true));
  cleanups.push(() => socket.destroy());
  return { socket, seen };
}

const head = (path: string, length: number): string =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\ncontent-length: ${length}\r\n\r\n`;

test("headers that don't come to an end are cut off with 408", async () => {
  const { port } = await start({ headersTimeoutMs: 50, timeoutCheckMs: 20 });
  const { socket, seen } = raw(port);
  socket.write("POST /echo HTTP/1.1\r\nhost: loc");
  await expect.poll(() => seen.closed).toBe(true);
  expect(seen.text).toMatch(/^HTTP\/1\.1 408 /);
});

test("a body that doesn't come to an end is answered 408, and its connection ends; the handler never ran", async () => {
  const clock = new VirtualClock();
  const { port, server } = await start({}, { clock });
  const { socket, seen } = raw(port);
  // Once it is told to go on, its body is waited for.
  socket.write(head("/echo", 10).replace("\r\n", "\r\nexpect: 100-continue\r\n"));
  await expect.poll(() => seen.text).toMatch(/^HTTP\/1\.1 100 /);
  seen.text = "";
  socket.write("drip");
  const { socket: other, seen: answered } = raw(port);
  other.write(`${head("/echo", 2)}ok`);
  await expect.poll(() => answered.text).toMatch(/ok$/);
  await clock.advance(httpRequestTimeoutMs);
  await expect.poll(() => seen.closed).toBe(true);
  expect(seen.text).toMatch(/^HTTP\/1\.1 408 [^]*connection: close[^]*"code":"INVALID"[^]*"fate":"not-started"/);
  expect(answered.closed).toBe(false);
  expect(server.metrics.methods.get("echo")?.count).toBe(1);
});

test("a body that goes on after its answer holds the connection no longer than one that is read", async () => {
  const clock = new VirtualClock();
  const { port } = await start({}, { clock });
  const { socket, seen } = raw(port);
  socket.write(`${head("/nowhere", 10)}drip`);
  await expect.poll(() => seen.text).toMatch(/^HTTP\/1\.1 404 /);
  expect(seen.closed).toBe(false);
  await clock.advance(httpRequestTimeoutMs);
  await expect.poll(() => seen.closed).toBe(true);
});

test("an answer that nobody takes any of ends its connection; one that waits for its handler does not", async () => {
  const { port, server, release } = await start({ stallMs: 500 });
  const { socket: waits, seen: waited } = raw(port);
  waits.write(head("/hold", 0));
  const { socket: stalls, seen: stalled } = raw(port);
  stalls.pause();
  stalls.write(head("/big", 0).repeat(4));
  // Its answers have been made; all but what the sockets hold waits for its reader.
  await expect.poll(() => server.metrics.methods.get("big")?.count).toBe(4);
  await expect.poll(() => server.metrics.http.get("closed") ?? 0).toBeGreaterThan(0);
  stalls.resume();
  await expect.poll(() => stalled.closed).toBe(true);
  expect(stalled.text.length).toBeLessThan(4 * 8 * 1024 * 1024);
  expect(waited.closed).toBe(false);
  release("done");
  await expect.poll(() => waited.text).toMatch(/"done"$/);
});

test("bodies beyond the budget of all are BUSY, and those that are answered make room", async () => {
  const { url, server, release } = await start({ bodiesBytesMax: 1000 });
  const post = (path: string, bytes: number): Promise<Response> =>
    fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: new Uint8Array(bytes),
    });
  const held = post("/hold", 600);
  await expect.poll(() => server.executor.running).toBe(1);
  const refused = await post("/echo", 600);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await refused.json()).toMatchObject({ code: "BUSY", fate: "not-started", retryable: true });
  expect((await post("/echo", 300)).status).toBe(200);
  release("done");
  expect((await held).status).toBe(200);
  await expect.poll(async () => (await post("/echo", 600)).status).toBe(200);
});
