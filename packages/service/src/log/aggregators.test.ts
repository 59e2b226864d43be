// Each sink's wire format, as its server's documentation has it, against servers that take it apart.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { SystemRandom } from "@wherry/core";
import { afterEach, describe, expect, test } from "vitest";
import { ackOf, fluentAggregator, type FluentOptions, httpAggregator } from "../testing/aggregators.ts";
import { RetryLater, retryAfterMs } from "./retry-later.ts";
import { aggregatorOf, type TargetOptions } from "./targets.ts";
import type { Aggregator } from "./types.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const never = new AbortController().signal;
const time = "2026-11-22T12:57:02.780Z";
const nanoseconds = `${Date.parse(time)}000000`;
const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const records = [
  {
    level: "info",
    time,
    service: "shop",
    pod: "shop-1",
    bytes: 3,
    ratio: 0.5,
    trace,
    list: ["a"],
    nested: { deep: true },
    msg: "3 bytes",
  },
  { level: "error", time, service: "shop", pod: "shop-1", err: { message: "why", code: null }, msg: "failed" },
];
const lines = records.map((record) => JSON.stringify(record));

function sinkOf(target: string, authorization?: string, more: Partial<TargetOptions> = {}): Aggregator {
  const sink = aggregatorOf(target, { service: "shop", authorization, random: new SystemRandom(), ...more });
  cleanups.push(() => sink.close());
  return sink;
}

async function http(answer: Parameters<typeof httpAggregator>[0]) {
  const server = await httpAggregator(answer);
  cleanups.push(() => server.close());
  return server;
}

async function fluent(acknowledge?: Parameters<typeof fluentAggregator>[0], options?: FluentOptions) {
  const server = await fluentAggregator(acknowledge, options);
  cleanups.push(() => server.close());
  return server;
}

describe("Fluentd's forward protocol", () => {
  test("is a PackedForward of EventTimes and records, with its chunk acknowledged, on one connection", async () => {
    const server = await fluent();
    const sink = sinkOf(`fluent://127.0.0.1:${server.port}/app.shop`);
    for (let batch = 0; batch < 2; batch++) expect(await sink.send(lines, never)).toEqual({ rejected: [], again: [] });
    const entries = records.map((record) => ({
      ...{ seconds: Date.parse(time) / 1000 - 0.78, nanoseconds: 780_000_000 },
      record: Object.fromEntries(Object.entries(record).filter(([name]) => name !== "time")),
    }));
    expect(server.messages).toEqual([
      { tag: "app.shop", entries, size: 2 },
      { tag: "app.shop", entries, size: 2 },
    ]);
    expect(sinkOf("fluent://[::1]").name).toBe("fluent://::1:24224/shop");
  });

  test("whose acknowledgement is another's, is cut off, or never comes, is a failure; the next batch has a new connection", async () => {
    let answers = 0;
    const server = await fluent((chunk, socket) => {
      answers++;
      if (answers === 1) return ackOf("AAAAAAAAAAAAAAAAAAAAAA==");
      if (answers === 2) {
        socket.end(ackOf(chunk).subarray(0, 5));
        return undefined;
      }
      return answers === 3 ? undefined : ackOf(chunk);
    });
    const sink = sinkOf(`fluent://127.0.0.1:${server.port}`);
    await expect(sink.send(lines, never)).rejects.toThrow("acknowledged another chunk than was sent");
    await expect(sink.send(lines, never)).rejects.toThrow("closed before the acknowledgement");
    const abort = new AbortController();
    const hanging = sink.send(lines, abort.signal);
    await expect.poll(() => server.messages.length).toBe(3);
    abort.abort(new Error("too late"));
    await expect(hanging).rejects.toThrow("too late");
    expect(await sink.send(lines, never)).toEqual({ rejected: [], again: [] });
  });
});

describe("Fluentd's handshake", () => {
  test("proves the shared key to both sides, with a password where one is asked for, once a connection; batches are compressed", async () => {
    const server = await fluent(undefined, { sharedKey: "k3y", users: { shop: "p@ss" } });
    const sink = sinkOf(`fluent://shop:p%40ss@127.0.0.1:${server.port}/app`, undefined, {
      sharedKey: "k3y",
      gzip: true,
    });
    expect(sink.name).toBe(`fluent://127.0.0.1:${server.port}/app`);
    for (let batch = 0; batch < 2; batch++) expect(await sink.send(lines, never)).toEqual({ rejected: [], again: [] });
    expect(server.messages).toMatchObject([
      { tag: "app", size: 2, compressed: "gzip" },
      { tag: "app", size: 2, compressed: "gzip" },
    ]);
    expect(server.messages[0]?.entries).toHaveLength(2);
  });

  test.each<[string, FluentOptions, Partial<TargetOptions>, RegExp]>([
    ["another key", { sharedKey: "k3y" }, { sharedKey: "0ther" }, /refused the handshake: shared key mismatch/],
    ["another password", { sharedKey: "k", users: { shop: "x" } }, { sharedKey: "k" }, /username\/password mismatch/],
    ["a server that does not know the key", { sharedKey: "k", liar: true }, { sharedKey: "k" }, /could not prove/],
    [
      "a server that wants a key, and none given",
      { sharedKey: "k" },
      {},
      /asks for a shared key: give it in LOG_SHARED_KEY/,
    ],
  ])("%s is a failure, which tells no secret", async (_name, options, more, message) => {
    const server = await fluent(undefined, options);
    const sink = sinkOf(`fluent://shop:p%40ss@127.0.0.1:${server.port}`, undefined, more);
    const error: unknown = await sink.send(lines, never).catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(message);
    expect(String(error)).not.toMatch(/p@ss|0ther|k3y/);
    expect(server.messages).toEqual([]);
  });

  test.each<[string, Buffer | undefined]>([
    ["says nothing", undefined],
    ["sends nonsense", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["announces a list without end", Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
    ["nests without end", Buffer.alloc(10_000, 0x91)],
    ["sends more than a handshake has", Buffer.concat([Buffer.from([0xc6, 0, 0, 0xff, 0xff]), Buffer.alloc(10_000)])],
  ])("a server that %s has until the time is up, and costs no memory", async (_name, bytes) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      if (bytes !== undefined) socket.write(bytes);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => server.close());
    const abort = new AbortController();
    const { port } = server.address() as AddressInfo;
    const sending = sinkOf(`fluent://127.0.0.1:${port}`, undefined, { sharedKey: "k" }).send(lines, abort.signal);
    sending.catch(() => undefined);
    await once(server, "connection");
    abort.abort(new Error("too late"));
    await expect(sending).rejects.toThrow(/too late|no message of the handshake|expected HELO/);
  });
});

describe("an aggregator that is overloaded", () => {
  test("says when to come again, in seconds or as a date by its own clock", async () => {
    const server = await http((_request, count) =>
      count < 3 ? { status: count === 1 ? 429 : 503, body: "slow down", retryAfter: "120" } : undefined,
    );
    const sink = sinkOf(`loki+http://127.0.0.1:${server.port}`);
    for (const status of [429, 503]) {
      const error: unknown = await sink.send(lines, never).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RetryLater);
      expect(error).toMatchObject({ retryAfterMs: 120_000, message: `answered ${status}: slow down` });
    }
    const date = "Wed, 21 Oct 2015 07:28:00 GMT";
    expect(retryAfterMs("Wed, 21 Oct 2015 07:29:00 GMT", date)).toBe(60_000);
    expect(retryAfterMs("Wed, 21 Oct 2015 07:27:00 GMT", date)).toBe(0);
    expect([retryAfterMs("soon", date), retryAfterMs(date, undefined), retryAfterMs(undefined, date)]).toEqual([
      ...[undefined, undefined, undefined],
    ]);
  });

  test.each(["loki", "otlp", "elasticsearch"])("%s gets compressed bodies where that is wanted", async (kind) => {
    const server = await http(() => ({ status: 200, body: "{}" }));
    const sink = sinkOf(`${kind}+http://127.0.0.1:${server.port}/place`, undefined, { gzip: true });
    expect(await sink.send(lines, never)).toEqual({ rejected: [], again: [] });
    expect(server.requests[0]?.headers["content-encoding"]).toBe("gzip");
    expect(server.requests[0]?.body).toContain("3 bytes");
  });
});

describe("Elasticsearch's bulk API", () => {
  test("gets an action and a document with @timestamp for each record", async () => {
    const server = await http(() => ({ status: 200, body: '{"errors":false,"items":[]}' }));
    const sink = sinkOf(`elasticsearch+http://user:p%40ss@127.0.0.1:${server.port}/logs-shop`);
    expect(sink.name).toBe(`elasticsearch+http://127.0.0.1:${server.port}/logs-shop`);
    expect(await sink.send(lines, never)).toEqual({ rejected: [], again: [] });
    const [request] = server.requests;
    expect(request?.path).toMatch(/^\/logs-shop\/_bulk\?filter_path=errors/);
    expect(request?.headers).toMatchObject({
      "content-type": "application/x-ndjson",
      authorization: `Basic ${Buffer.from("user:p@ss").toString("base64")}`,
    });
    expect(request?.body.endsWith("\n")).toBe(true);
    const sent = request?.body
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    const [first, second] = records.map((record) => ({ "@timestamp": time, ...record }));
    expect(sent).toEqual([{ create: {} }, first, { create: {} }, second]);
  });

  test("tells of each record whether it is stored, refused, or to be sent again", async () => {
    const items = [
      { create: { status: 201 } },
      { create: { status: 400, error: { reason: "mapper [bytes] cannot be changed" } } },
      { create: { status: 429, error: { reason: "queue full" } } },
    ];
    const server = await http(() => ({ status: 200, body: JSON.stringify({ errors: true, items }) }));
    const sink = sinkOf(`elasticsearch+http://127.0.0.1:${server.port}/logs`);
    expect(await sink.send([...lines, ...lines], never)).toEqual({
      // Of the last nothing was said.
      ...{ rejected: [1], again: [2, 3], reason: "mapper [bytes] cannot be changed" },
    });
  });
});

describe("Loki's push API", () => {
  test("gets a stream for each service, pod and level, with nanoseconds and the whole record", async () => {
    const server = await http(() => ({ status: 204, body: "" }));
    expect(await sinkOf(`loki+http://127.0.0.1:${server.port}`, "Bearer t").send(lines, never)).toEqual({
      ...{ rejected: [], again: [] },
    });
    const [request] = server.requests;
    expect(request).toMatchObject({ path: "/loki/api/v1/push", headers: { authorization: "Bearer t" } });
    const labels = { service: "shop", pod: "shop-1" };
    expect(JSON.parse(request?.body ?? "")).toEqual({
      streams: [
        { stream: { ...labels, level: "info" }, values: [[nanoseconds, lines[0]]] },
        { stream: { ...labels, level: "error" }, values: [[nanoseconds, lines[1]]] },
      ],
    });
  });
});

describe("OTLP's logs over HTTP", () => {
  test("are log records with severity, body, typed attributes and the ids of the trace", async () => {
    const server = await http(() => ({ status: 200, body: "{}" }));
    expect(await sinkOf(`otlp+http://127.0.0.1:${server.port}`).send(lines, never)).toEqual({
      rejected: [],
      again: [],
    });
    expect(server.requests[0]?.path).toBe("/v1/logs");
    const [resourceLogs] = (JSON.parse(server.requests[0]?.body ?? "") as { resourceLogs: unknown[] }).resourceLogs;
    const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
    expect(resourceLogs).toEqual({
      resource: { attributes: [text("service.name", "shop"), text("k8s.pod.name", "shop-1")] },
      scopeLogs: [
        {
          scope: { name: "@wherry/service" },
          logRecords: [
            {
              ...{
                timeUnixNano: nanoseconds,
                observedTimeUnixNano: nanoseconds,
                severityNumber: 9,
                severityText: "info",
              },
              body: { stringValue: "3 bytes" },
              attributes: [
                { key: "bytes", value: { intValue: "3" } },
                { key: "ratio", value: { doubleValue: 0.5 } },
                { key: "list", value: { arrayValue: { values: [{ stringValue: "a" }] } } },
                { key: "nested", value: { kvlistValue: { values: [{ key: "deep", value: { boolValue: true } }] } } },
              ],
              ...{ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", flags: 1 },
            },
            {
              ...{
                timeUnixNano: nanoseconds,
                observedTimeUnixNano: nanoseconds,
                severityNumber: 17,
                severityText: "error",
              },
              body: { stringValue: "failed" },
              attributes: [{ key: "err", value: { kvlistValue: { values: [text("message", "why")] } } }],
            },
          ],
        },
      ],
    });
  });

  test("of which some were refused, nobody says which, are all kept elsewhere too", async () => {
    const body = '{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}';
    const server = await http(() => ({ status: 200, body }));
    expect(await sinkOf(`otlp+http://127.0.0.1:${server.port}`).send(lines, never)).toEqual({
      ...{ rejected: [0, 1], again: [], reason: "too old" },
    });
  });
});

describe.each(["loki", "otlp", "elasticsearch"])("%s over HTTP", (kind) => {
  test("is down when it says so, cuts its answer off, or isn't there; refuses what it calls invalid", async () => {
    const answers = [
      { status: 503, body: "busy" },
      { status: 401, body: "who are you" },
      { status: 200, body: '{"errors":', cut: true },
      { status: 400, body: "bad\nline" },
    ];
    const server = await http((_request, count) => answers[count - 1]);
    const sink = sinkOf(`${kind}+http://127.0.0.1:${server.port}/place`);
    await expect(sink.send(lines, never)).rejects.toThrow("answered 503: busy");
    await expect(sink.send(lines, never)).rejects.toThrow("answered 401: who are you");
    await expect(sink.send(lines, never)).rejects.toThrow();
    expect(await sink.send(lines, never)).toEqual({ rejected: [0, 1], again: [], reason: "answered 400: bad line" });
    // A fifth is never answered.
    const abort = new AbortController();
    const hanging = sink.send(lines, abort.signal);
    await expect.poll(() => server.requests.length).toBe(5);
    abort.abort(new Error("too late"));
    await expect(hanging).rejects.toThrow("too late");
    await server.close();
    cleanups.shift();
    await expect(sink.send(lines, never)).rejects.toThrow(/ECONNREFUSED/);
  });
});

test.each([
  ["elasticsearch+http://host", /expected the index as the URL's path/],
  ["loki+http://", /expected a URL with a host/],
  ["elasticsearch+https://user:secret@host", /got "elasticsearch\+https:\/\/user:\*\*\*@host"/],
])("%s is refused in one line, without its password", (target, message) => {
  expect(() => sinkOf(target)).toThrow(
    expect.objectContaining({ code: "SERVICE_CONFIG_INVALID", message: expect.stringMatching(message) }),
  );
});
