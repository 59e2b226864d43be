// Topics over HTTP, as an EventSource sees them.
import { type IncomingMessage, request as httpRequest } from "node:http";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { eventQueueMessagesMax } from "../limits.ts";
import { serve } from "../server/serve.ts";
import { service } from "../define.ts";
import type { Service } from "../service.ts";
import { unchecked } from "../topic.ts";
import type { HttpOptions } from "./source.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const shop = service("shop", {
  methods: { ping: () => "pong" },
  topics: { price: unchecked<unknown>(), secret: unchecked<number>() },
});

async function start(http: HttpOptions, served: Service = shop) {
  const { server, httpUrl = "" } = await serve(served, { http, pod: "pod-1" });
  cleanups.push(() => server.close());
  return { server, url: httpUrl };
}

async function read(url: string, headers: Record<string, string> = {}) {
  const request = httpRequest(url, { headers: { accept: "text/event-stream", ...headers } }).on(
    "error",
    () => undefined,
  );
  cleanups.push(() => request.destroy());
  request.end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const heard = { text: "", ended: false, status: response.statusCode, request, response };
  response.setEncoding("utf8").on("error", () => undefined);
  response.on("data", (text: string) => (heard.text += text)).on("end", () => (heard.ended = true));
  return heard;
}

test("a topic's events come as messages with their places, from when one reads; only of topics that are shown", async () => {
  const { server, url } = await start({ topics: ["price"] });
  server.publish("price", "too early");
  const reader = await read(`${url}/topics/price`);
  expect(reader.response.headers["content-type"]).toBe("text/event-stream");
  expect(server.publish("price", { cup: 3 })).toBe("sent");
  expect(server.publish("price", Buffer.from([1]))).toBe("sent");
  await expect
    .poll(() => reader.text)
    .toBe(':\n\nid: pod-1:2\ndata: {"cup":3}\n\nevent: message-base64\nid: pod-1:3\ndata: "AQ=="\n\n');
  expect((await fetch(`${url}/topics/secret`)).status).toBe(404);
  const wrong = await fetch(`${url}/topics/price`, { method: "POST" });
  expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
  expect((await fetch(`${url}/topics/price`, { method: "HEAD" })).status).toBe(200);
  reader.request.destroy();
  await expect.poll(() => server.topics?.all.get("price")?.subscribers.size).toBe(0);
});

test("none are shown unless asked for, and none that there is not", async () => {
  const { url } = await start({});
  expect((await fetch(`${url}/topics/price`)).status).toBe(404);
  await expect(start({ topics: ["prices"] })).rejects.toMatchObject({
    code: "SERVICE_DEFINITION_INVALID",
    message: expect.stringMatching(/no topic "prices"/),
  });
});

test("who comes again is told what was missed: how many at the same pod, that it is unknown at another", async () => {
  const { server, url } = await start({ topics: true });
  for (let i = 1; i <= 5; i++) server.publish("price", i);
  const same = await read(`${url}/topics/price`, { "last-event-id": "pod-1:2" });
  await expect.poll(() => same.text).toBe(':\n\nevent: missed\ndata: {"count":3}\n\n');
  const other = await read(`${url}/topics/price`, { "last-event-id": "pod-0:2" });
  await expect.poll(() => other.text).toBe(':\n\nevent: missed\ndata: {"count":null}\n\n');
  const current = await read(`${url}/topics/price`, { "last-event-id": "pod-1:5" });
  server.publish("price", 6);
  await expect.poll(() => current.text).toBe(":\n\nid: pod-1:6\ndata: 6\n\n");
});

test("a reader that takes nothing misses events, is told how many, and holds nobody else up", async () => {
  const { server, url } = await start({ topics: true });
  const slow = await read(`${url}/topics/price`);
  slow.response.pause();
  const quick = await read(`${url}/topics/price`);
  const event = "x".repeat(64 * 1024);
  let published = 0;
  let outcome: string;
  // At once, each of its 64 KiB: what waits is beyond the limit of bytes before anyone can read.
  do {
    outcome = server.publish("price", event);
    published++;
    if (published % 20 === 0) await expect.poll(() => quick.text.split("data: ").length - 1).toBe(published);
  } while (outcome === "sent" && published < eventQueueMessagesMax);
  expect(outcome).toBe("partly");
  slow.response.resume();
  await expect.poll(() => slow.text).toMatch(/event: missed\ndata: \{"count":1\}\n\n$/);
  expect(slow.text.match(/data: "x/g)).toHaveLength(published - 1);
  await expect.poll(() => quick.text.match(/data: "x/g)?.length).toBe(published);
});

test("a service that leaves sends its readers elsewhere, and is not held up by them", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const busy = service("shop", { methods: { hold: () => promise }, topics: { price: unchecked<number>() } });
  const { server, url } = await start({ topics: true }, busy);
  const reader = await read(`${url}/topics/price`);
  // As long as this one runs, it drains.
  const held = fetch(`${url}/hold`, { method: "POST" });
  await expect.poll(() => server.executor.running).toBe(1);
  const drained = server.drain({ timeoutMs: 60_000, minimumMs: 0 });
  await expect.poll(() => reader.ended).toBe(true);
  expect(reader.text).toMatch(/event: error\ndata: \{.*"code":"ABORTED".*"retryable":true/);
  const late = await fetch(`${url}/topics/price`);
  expect([late.status, late.headers.get("retry-after")]).toEqual([503, "0"]);
  // An EventSource would give up for ever at that.
  const source = await fetch(`${url}/topics/price`, { headers: { accept: "text/event-stream" } });
  expect([source.status, await source.text()]).toEqual([200, expect.stringMatching(/event: error\ndata: .*"REFUSED"/)]);
  resolve("done");
  expect((await held).status).toBe(200);
  expect(await drained).toMatchObject({ reason: "drained" });
});
