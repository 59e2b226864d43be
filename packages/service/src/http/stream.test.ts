// Methods that stream, as HTTP clients see them: items as lines and as events, in and out, however the bytes are cut.
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ServiceError } from "../errors.ts";
import { bodyBytesMax, httpBeatMs, httpStreamHeadMs } from "../limits.ts";
import { method, service } from "../define.ts";
import type { StreamContext } from "../stream/types.ts";
import { cleanups, asEvents, double, json, linesOf, listen, open, post, start, sum, upTo } from "./stream.suite.ts";

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
