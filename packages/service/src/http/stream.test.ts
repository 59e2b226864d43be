// Methods that stream, as HTTP clients see them: real sockets, lines and events, slow readers, clients that leave, rollouts.
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { connect as connectTcp } from "node:net";
import { VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { ServiceError } from "../errors.ts";
import { bodyBytesMax, httpBeatMs, httpStreamHeadMs, streamWindowItems } from "../limits.ts";
import { serve, type ServeOptions } from "../server/serve.ts";
import { method, service } from "../define.ts";
import type { Methods, ServiceDefinition } from "../service.ts";
import type { StreamContext } from "../stream/types.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start<const M extends Methods>(definition: ServiceDefinition<M>, options: ServeOptions = {}) {
  const { server, httpUrl = "" } = await serve(service("shop", definition), { http: true, ...options });
  cleanups.push(() => server.close());
  return { server, url: httpUrl, port: Number(new URL(httpUrl).port) };
}

const linesOf = (text: string): unknown[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);

const post = (body?: string, headers: Readonly<Record<string, string>> = {}): RequestInit => ({
  method: "POST",
  ...(body === undefined ? {} : { body }),
  headers: { "content-type": "application/x-ndjson", ...headers },
});
const json = (body: unknown): RequestInit => post(JSON.stringify(body), { "content-type": "application/json" });
const asEvents = { headers: { accept: "text/event-stream" } };

/** A request that is written, and an answer that is read, piece by piece. */
function open(url: string, options: { method?: string; headers?: Record<string, string> } = {}) {
  const request: ClientRequest = httpRequest(url, { method: "POST", ...options }).on("error", () => undefined);
  cleanups.push(() => request.destroy());
  const answered = once(request, "response").then(([response]) => response as IncomingMessage);
  answered.catch(() => undefined);
  return { request, answered };
}

/** What an answer has said so far. */
function listen(response: IncomingMessage): { text: string; ended: boolean } {
  const heard = { text: "", ended: false };
  response.setEncoding("utf8").on("data", (text: string) => (heard.text += text));
  response.on("end", () => (heard.ended = true)).on("error", () => undefined);
  return heard;
}

/** Waits until a count stands still: whoever counts is stopped, and not just slow. */
async function standsStill(count: () => number): Promise<number> {
  let last = -1;
  await expect
    .poll(
      () => {
        const still = count() === last && last > 0;
        last = count();
        return still;
      },
      { interval: 150, timeout: 20_000 },
    )
    .toBe(true);
  return last;
}

const upTo = method({
  stream: "out",
  input: z.object({ to: z.number() }),
  http: ["POST /upTo", "GET /up-to/{to}"],
  *handler({ to }) {
    for (let i = 1; i <= to; i++) yield { i };
    return "all";
  },
});
const sum = method({
  stream: "in",
  input: z.number(),
  async handler(items) {
    let total = 0;
    for await (const item of items) total += item;
    return total;
  },
});
const double = method({
  stream: "both",
  input: z.number(),
  async *handler(items) {
    for await (const item of items) yield item * 2;
  },
});

describe("items out", () => {
  test("are lines, and the last line is none of them", async () => {
    const { url } = await start({ methods: { upTo } });
    const response = await fetch(`${url}/upTo`, json({ to: 3 }));
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/x-ndjson"]);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const items = [{ item: { i: 1 } }, { item: { i: 2 } }, { item: { i: 3 } }];
    expect(linesOf(await response.text())).toEqual([...items, { done: "all" }]);
    expect(linesOf(await (await fetch(`${url}/up-to/1`)).text())).toEqual([{ item: { i: 1 } }, { done: "all" }]);
  });

  test("are events with their places, where a client accepts these; its coming again after the end is answered with nothing", async () => {
    const { url } = await start({ methods: { upTo } });
    const response = await fetch(`${url}/up-to/2`, asEvents);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(await response.text()).toBe(
      ':\n\nevent: item\nid: 1\ndata: {"i":1}\n\nevent: item\nid: 2\ndata: {"i":2}\n\nevent: done\nid: end\ndata: "all"\n\n',
    );
    const again = await fetch(`${url}/up-to/2`, { headers: { ...asEvents.headers, "last-event-id": "end" } });
    expect(again.status).toBe(204);
  });

  test("may be bytes, nothing, or what looks like an end: each is told apart", async () => {
    const things = method({
      stream: "out",
      *handler() {
        yield Buffer.from([0, 255]);
        yield undefined;
        yield { done: 1 };
        yield "a\nb";
      },
    });
    const { url } = await start({ methods: { things } });
    const items = [{ "item-base64": "AP8=" }, { item: null }, { item: { done: 1 } }, { item: "a\nb" }];
    expect(linesOf(await (await fetch(`${url}/things`, { method: "POST" })).text())).toEqual([
      ...items,
      { done: null },
    ]);
  });

  test("a failure before the first has a status of its own; one after it is the last line", async () => {
    const fail = method({
      stream: "out",
      input: z.number(),
      *handler(after) {
        for (let i = 0; i < after; i++) yield i;
        throw new ServiceError("SOLD_OUT", "none left", { details: { after } });
      },
    });
    const { url } = await start({ methods: { fail } });
    const early = await fetch(`${url}/fail`, json(0));
    expect([early.status, await early.json()]).toEqual([422, expect.objectContaining({ code: "SOLD_OUT" })]);
    const wrong = await fetch(`${url}/fail`, json("x"));
    expect([wrong.status, await wrong.json()]).toEqual([400, expect.objectContaining({ code: "INVALID" })]);
    const late = linesOf(await (await fetch(`${url}/fail`, json(1))).text());
    expect(late).toEqual([
      { item: 0 },
      { error: expect.objectContaining({ code: "SOLD_OUT", details: { after: 1 } }) },
    ]);
    const headers = { "content-type": "application/json", accept: "text/event-stream" };
    const event = await (await fetch(`${url}/fail`, post("1", headers))).text();
    expect(event).toMatch(/event: error\nid: end\ndata: \{.*"code":"SOLD_OUT"/);
  });

  test("beyond streamsMax are BUSY; a HEAD runs nothing; an unknown body type is 415", async () => {
    let runs = 0;
    const watch = method({
      stream: "out",
      endless: true,
      http: ["GET /watch", "POST /watch"],
      async *handler(_body: undefined, { signal }: StreamContext) {
        runs++;
        yield "first";
        await once(signal, "abort");
      },
    });
    const { url, server } = await start({ methods: { watch }, streamsMax: 1 });
    const { request, answered } = open(`${url}/watch`, { method: "GET" });
    request.end();
    const heard = listen(await answered);
    await expect.poll(() => heard.text).toBe('{"item":"first"}\n');
    const busy = await fetch(`${url}/watch`);
    expect([busy.status, busy.headers.get("retry-after")]).toEqual([503, "1"]);
    // An EventSource would give up for ever at a 503: it is told in an event, and comes again.
    const events = await fetch(`${url}/watch`, { headers: { accept: "text/event-stream" } });
    expect([events.status, events.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect(await events.text()).toMatch(/^:\n\nevent: error\ndata: \{[^\n]*"code":"BUSY"[^\n]*\n\n$/);
    expect((await fetch(`${url}/watch`, { method: "HEAD" })).status).toBe(200);
    expect((await fetch(`${url}/watch`, post("1"))).status).toBe(415);
    expect(runs).toBe(1);
    expect(server.streams?.running.size).toBe(1);
  });

  test("that are long in coming: the answer begins all the same, and events have a comment now and then", async () => {
    const clock = new VirtualClock();
    const quiet = method({
      stream: "out",
      http: "GET /quiet",
      async *handler(_body: undefined, { signal }: StreamContext) {
        await once(signal, "abort");
        yield 1;
      },
    });
    const { url, server } = await start({ methods: { quiet } }, { clock });
    const { request, answered } = open(`${url}/quiet`, { method: "GET", ...asEvents });
    request.end();
    await expect.poll(() => server.streams?.running.size).toBe(1);
    await clock.advance(httpStreamHeadMs);
    const heard = listen(await answered);
    await expect.poll(() => heard.text).toBe(":\n\n");
    await clock.advance(httpBeatMs);
    await expect.poll(() => heard.text).toBe(":\n\n:\n\n");
    request.destroy();
    await expect.poll(() => server.streams?.running.size).toBe(0);
  });
});

describe("a slow reader", () => {
  test("stops the generator, and gets everything when it reads on", async () => {
    let made = 0;
    const total = 2000;
    const item = "x".repeat(16 * 1024);
    const flood = method({
      stream: "out",
      *handler() {
        for (; made < total; made++) yield item;
      },
    });
    const { url } = await start({ methods: { flood } });
    const { request, answered } = open(`${url}/flood`);
    request.end();
    const response = await answered;
    const before = await standsStill(() => made);
    // What the sockets' buffers hold, and a window.
    expect(before).toBeLessThan(total);
    const heard = listen(response);
    await expect.poll(() => heard.ended, { timeout: 20_000 }).toBe(true);
    expect(made).toBe(total);
    expect(heard.text.match(/"item"/g)).toHaveLength(total);
    expect(heard.text.endsWith('{"done":null}\n')).toBe(true);
  });

  test("a slow handler stops the client, and gets everything when it goes on", async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    let got = 0;
    const slow = method({
      stream: "in",
      async handler(items: AsyncIterableIterator<string>) {
        await promise;
        for await (const item of items) got += item.length;
        return got;
      },
    });
    const { url, server } = await start({ methods: { slow } });
    const { request, answered } = open(`${url}/slow`, { headers: { "content-type": "application/x-ndjson" } });
    const line = `${JSON.stringify("x".repeat(16 * 1024))}\n`;
    const count = 2000;
    let sent = 0;
    const send = (): void => {
      while (sent < count) {
        sent++;
        if (!request.write(line)) {
          request.once("drain", send);
          return;
        }
      }
      request.end();
    };
    send();
    const before = await standsStill(() => sent);
    expect(before).toBeLessThan(count);
    const [stream] = server.streams?.running ?? [];
    expect(stream?.itemsIn).toBeLessThanOrEqual(streamWindowItems);
    resolve(undefined);
    const heard = listen(await answered);
    await expect.poll(() => heard.text, { timeout: 20_000 }).toBe(String(count * 16 * 1024));
  });
});

describe("items in", () => {
  test("any split of the body gives the same items", async () => {
    const gather = method({
      stream: "in",
      async handler(items: AsyncIterableIterator<unknown>) {
        const all: unknown[] = [];
        for await (const item of items) all.push(item);
        return all;
      },
    });
    const { port } = await start({ methods: { gather } });
    const value = fc.jsonValue({ maxDepth: 2 }).map((each) => JSON.parse(JSON.stringify(each)) as unknown);
    const property = fc.asyncProperty(
      fc.array(value, { maxLength: 12 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      fc.boolean(),
      async (values, cuts, ended) => {
        const text = values.map((each) => JSON.stringify(each)).join("\n") + (ended ? "\r\n\n" : "");
        const bytes = Buffer.from(text);
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const { request, answered } = open(`http://127.0.0.1:${port}/gather`, {
          headers: { "content-type": "application/x-ndjson" },
        });
        for (const [index, end] of places.slice(1).entries()) {
          request.write(bytes.subarray(places[index], end));
          await new Promise((resolve) => setImmediate(resolve));
        }
        request.end();
        const heard = listen(await answered);
        await expect.poll(() => heard.ended).toBe(true);
        expect(JSON.parse(heard.text)).toEqual(values);
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  test("are answered once; none are none", async () => {
    const { url } = await start({ methods: { sum } });
    expect(await (await fetch(`${url}/sum`, post("1\n2\n39"))).json()).toBe(42);
    expect(await (await fetch(`${url}/sum`, { method: "POST" })).json()).toBe(0);
  });

  test("a bad line is INVALID with its number, also when others would have come after it", async () => {
    const { url } = await start({ methods: { sum } });
    const ask = async (body: string): Promise<unknown> => {
      const response = await fetch(`${url}/sum`, post(body));
      const { code, detail } = (await response.json()) as Record<string, string>;
      return [response.status, code, detail];
    };
    expect(await ask("1\n\n2\n{oops\n3\n")).toEqual([400, "INVALID", expect.stringMatching(/^line 4: expected JSON/)]);
    expect(await ask('1\n"two"\n3')).toEqual([400, "INVALID", expect.stringMatching(/^item 2: .*expected number/)]);
    const long = `1\n${"9".repeat(bodyBytesMax + 1)}`;
    expect(await ask(long)).toEqual([413, "TOO_LARGE", expect.stringMatching(/^line 2: expected at most/)]);
  });

  test("a handler that has enough answers at once, and its connection serves on", async () => {
    const first = method({
      stream: "in",
      async handler(items: AsyncIterableIterator<unknown>) {
        for await (const item of items) return item;
        return "none";
      },
    });
    const { port } = await start({ methods: { first } });
    const socket = connectTcp(port, "127.0.0.1");
    cleanups.push(() => socket.destroy());
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => (text += part));
    const head = "POST /first HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n";
    const body = `"one"\n${'"more"\n'.repeat(20_000)}`;
    socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
    socket.write(`${head}content-length: 6\r\n\r\n"next"`);
    await expect.poll(() => text.match(/\r\n\r\n("\w+")/g)).toEqual(['\r\n\r\n"one"', '\r\n\r\n"next"']);
  });

  test("both ways: what comes out doesn't wait for the end of what goes in", async () => {
    const { url } = await start({ methods: { double } });
    const { request, answered } = open(`${url}/double`, { headers: { "content-type": "application/x-ndjson" } });
    request.write("1\n");
    const heard = listen(await answered);
    await expect.poll(() => heard.text).toBe('{"item":2}\n');
    request.write("2");
    request.end("1");
    await expect.poll(() => heard.ended).toBe(true);
    expect(heard.text).toBe('{"item":2}\n{"item":42}\n{"done":null}\n');
  });
});

describe("a client that leaves", () => {
  const watching = () => {
    const ended: string[] = [];
    const watch = method({
      stream: "out",
      endless: true,
      http: "GET /watch/{name}",
      async *handler({ name }: { name: string }, { signal }: StreamContext) {
        try {
          yield name;
          await once(signal, "abort");
        } finally {
          ended.push(`${name} ${(signal.reason as ServiceError).code}`);
        }
      },
    });
    return { ended, watch };
  };

  test("cancels its stream, and those that wait behind it on its connection", async () => {
    const { ended, watch } = watching();
    const { port, server } = await start({ methods: { watch } });
    const socket = connectTcp(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => (text += part));
    for (const name of ["a", "b"]) socket.write(`GET /watch/${name} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    await expect.poll(() => text).toContain('{"item":"a"}');
    await expect.poll(() => server.streams?.running.size).toBe(2);
    socket.destroy();
    await expect.poll(() => ended.sort()).toEqual(["a CANCELLED", "b CANCELLED"]);
    await expect.poll(() => server.streams?.running.size).toBe(0);
  });

  test("in the middle of its items is known to their handler", async () => {
    const ends: unknown[] = [];
    const take = method({
      stream: "in",
      async handler(items: AsyncIterableIterator<unknown>) {
        try {
          for await (const item of items) ends.push(item);
        } catch (error) {
          ends.push((error as ServiceError).code);
          throw error;
        }
      },
    });
    const { url } = await start({ methods: { take } });
    const { request } = open(`${url}/take`, { headers: { "content-type": "application/x-ndjson" } });
    request.write("1\n2");
    await expect.poll(() => ends).toEqual([1]);
    request.destroy();
    await expect.poll(() => ends).toEqual([1, "CANCELLED"]);
  });
});

describe("a service that leaves", () => {
  test("ends endless streams with a word that they may be opened again, waits for others, and takes no new endless ones", async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const methods = {
      watch: method({
        stream: "out",
        endless: true,
        async *handler(_body: undefined, { signal }: StreamContext) {
          yield 1;
          await once(signal, "abort");
        },
      }),
      finite: method({
        stream: "out",
        async *handler() {
          yield 1;
          await promise;
          yield 2;
        },
      }),
    };
    const { url, server } = await start({ methods });
    const opened = ["watch", "watch", "finite"].map((name, index) =>
      open(`${url}/${name}`, index === 1 ? asEvents : {}),
    );
    for (const { request } of opened) request.end();
    const [watch, events, finite] = await Promise.all(opened.map(async ({ answered }) => listen(await answered)));
    await expect.poll(() => finite?.text).toBe('{"item":1}\n');
    const drained = server.drain({ timeoutMs: 10_000, minimumMs: 0 });
    await expect.poll(() => [watch?.ended, events?.ended]).toEqual([true, true]);
    const leaving = { code: "ABORTED", retryable: true, details: { leaving: true } };
    expect(linesOf(watch?.text ?? "").at(-1)).toEqual({ error: expect.objectContaining(leaving) });
    // Without an id of its own: an EventSource comes again.
    expect(events?.text).toMatch(/event: error\ndata: \{.*"retryable":true/);
    const refused = await fetch(`${url}/watch`, { method: "POST" });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "0"]);
    const later = await fetch(`${url}/watch`, { method: "POST", headers: { accept: "text/event-stream" } });
    expect(await later.text()).toMatch(/event: error\ndata: \{.*"code":"REFUSED".*"retryable":true/);
    expect(finite?.ended).toBe(false);
    resolve(undefined);
    expect(await drained).toMatchObject({ reason: "drained", aborted: 0 });
    expect(finite?.text).toBe('{"item":1}\n{"item":2}\n{"done":null}\n');
  });

  test("at the drain's deadline tells whose stream it cuts off", async () => {
    const stuck = method({
      stream: "out",
      async *handler() {
        yield 1;
        await new Promise(() => undefined);
      },
    });
    const { url, server } = await start({ methods: { stuck } });
    const { request, answered } = open(`${url}/stuck`);
    request.end();
    const heard = listen(await answered);
    await expect.poll(() => heard.text).toBe('{"item":1}\n');
    expect(await server.drain({ timeoutMs: 50, minimumMs: 0 })).toMatchObject({ reason: "deadline", aborted: 1 });
    await expect.poll(() => heard.ended).toBe(true);
    expect(linesOf(heard.text).at(-1)).toMatchObject({ error: { code: "ABORTED", fate: "maybe-executed" } });
  });
});

test("a deadline ends a stream; without one it has none", async () => {
  const look = method({
    stream: "out",
    http: "GET /look",
    async *handler(_body: undefined, { remainingMs, signal }: StreamContext) {
      yield remainingMs === Number.POSITIVE_INFINITY ? "for ever" : "limited";
      if (remainingMs !== Number.POSITIVE_INFINITY) await once(signal, "abort");
    },
  });
  const { url } = await start({ methods: { look } });
  expect(linesOf(await (await fetch(`${url}/look`)).text())).toEqual([{ item: "for ever" }, { done: null }]);
  const limited = await fetch(`${url}/look`, { headers: { "connect-timeout-ms": "50" } });
  const [, last] = linesOf(await limited.text());
  expect(last).toMatchObject({ error: { code: "DEADLINE_EXCEEDED" } });
});

test("a stream of items has an address without parameters, and with a body", () => {
  const define = (http: string) => () => service("shop", { methods: { sum: { ...sum, http } } });
  expect(define("POST /sum/{x}")).toThrow(/POST, PUT or PATCH without parameters/);
  expect(define("GET /sum")).toThrow(/POST, PUT or PATCH without parameters/);
  expect(define("PUT /sum")).not.toThrow();
});
