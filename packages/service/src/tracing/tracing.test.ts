// Traces: ids that every call has, what travels, and spans where OpenTelemetry is there.
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { SystemRandom } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { currentContext } from "../current-context.ts";
import { ServiceError } from "../errors.ts";
import { messageType } from "../protocol/codes.ts";
import { decode, encode } from "../protocol/frames.ts";
import { method, service } from "../define.ts";
import { testClient, testService } from "../testing/index.ts";
import { AsyncLocalStorageContextManager } from "./context-manager.suite.ts";
import { fittingTraceState, formatTraceParent, parseTraceParent, TraceIds } from "./trace-context.ts";

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("a traceparent", () => {
  test("is taken apart and put together", () => {
    const parsed = parseTraceParent(parent);
    expect(parsed).toEqual({
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      flags: "01",
    });
    if (parsed !== undefined) expect(formatTraceParent(parsed)).toBe(parent);
    // A later version may have more, and is understood as far as it goes.
    expect(parseTraceParent(`01${parent.slice(2)}-more`)).toEqual(parsed);
  });

  test.each([
    "",
    "nonsense",
    parent.slice(1),
    `ff${parent.slice(2)}`,
    parent.toUpperCase(),
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    `00-0af7651916cd43dd8448eb211c80319c-${"0".repeat(16)}-01`,
    `${parent}0`,
  ])("%j is none", (text) => {
    expect(parseTraceParent(text)).toBeUndefined();
  });

  test("ids are all different, and what they make is a traceparent", () => {
    const ids = new TraceIds(new SystemRandom());
    const roots = Array.from({ length: 1000 }, () => ids.root());
    expect(new Set(roots.map((root) => parseTraceParent(root)?.traceId)).size).toBe(1000);
    expect(new Set(roots.map((root) => parseTraceParent(root)?.spanId)).size).toBe(1000);
    const child = ids.childOf(parent);
    expect(child.slice(0, 36)).toBe(parent.slice(0, 36));
    expect(parseTraceParent(child)?.spanId).not.toBe(parseTraceParent(parent)?.spanId);
    expect(new TraceIds(new SeededRandom(1)).childOf("nonsense")).toBe(new TraceIds(new SeededRandom(1)).root());
  });

  test("a tracestate is cut at its entries, from the end, until it fits a header", () => {
    expect(fittingTraceState("a=1,b=2")).toBe("a=1,b=2");
    expect(fittingTraceState(`a=1,b=${"x".repeat(300)},c=3`)).toBe("a=1,c=3");
    const entries = Array.from({ length: 32 }, (_, index) => `k${index}=${"v".repeat(20)}`);
    const fitting = fittingTraceState(entries.join(","));
    expect(Buffer.byteLength(fitting)).toBeLessThanOrEqual(255);
    expect(entries.join(",").startsWith(`${fitting},`)).toBe(true);
  });
});

test("a request's header has three texts, or a fourth; others have what they have", () => {
  const text = fc.string({ maxLength: 40 });
  fc.assert(
    fc.property(fc.array(text, { minLength: 3, maxLength: 4 }), (texts) => {
      const decoded = decode(encode(messageType.request, { id: 1, mark: 1, number: 1, texts }));
      expect(typeof decoded === "string" ? decoded : decoded.header.texts).toEqual(texts);
    }),
  );
  for (const texts of [["a"], ["a", "b"], ["a", "b", "c", "d", "e"]])
    expect(decode(encode(messageType.request, { id: 1, texts }))).toBe("malformed");
  // A HELLO may name a codec; an ERROR has its code, and no more.
  expect(decode(encode(messageType.hello, { texts: ["a", "b", "c"] }))).toBe("malformed");
  expect(decode(encode(messageType.error, { texts: ["A", "b"] }))).toBe("malformed");
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const back = service("back", {
  concurrency: 10,
  methods: {
    where: (_body: unknown, { trace: at, traceState }) => [at, traceState],
    sold: () => {
      throw new ServiceError("SOLD_OUT", "none left");
    },
  },
});

test("without any library the tracestate of a request goes on to the streams that its handler opens", async () => {
  const far = service("far", {
    methods: {
      state: method({
        stream: "out",
        *handler(_body: unknown, { traceState, trace: at }) {
          yield [at, traceState];
        },
      }),
    },
  });
  await using fars = await testClient(far);
  const near = service("near", {
    methods: {
      ask: (_body: unknown, context) =>
        all(
          fars.stream("state", undefined, {
            parent: {
              ...context,
              traceState: "a=1",
              trace: parent,
              remainingMs: 5000,
              signal: context.signal,
            },
          }),
        ),
    },
  });
  await using nears = await testClient(near);
  const [[at = "", state] = []] = await nears.ask();
  expect([at.slice(0, 36), state]).toEqual([parent.slice(0, 36), "a=1"]);
});

test("without any library each call has a trace, nested ones their callers', each its own place", async () => {
  await using backs = await testClient(back);
  const fronted = service("front", {
    methods: {
      nested: async (_body: unknown, { trace: at }) => [at, await backs.where(), await backs.where()],
    },
  });
  await using front = await testClient(fronted);
  const [own, [one = ""], [two = ""]] = (await front.nested()) as [string, string[], string[]];
  const ids = [own, one, two].map((text) => parseTraceParent(text));
  expect(new Set(ids.map((id) => id?.traceId)).size).toBe(1);
  expect(new Set(ids.map((id) => id?.spanId)).size).toBe(3);
  const [given] = (await front.nested(undefined, { trace: parent })) as [string];
  expect(parseTraceParent(given)?.traceId).toBe(parseTraceParent(parent)?.traceId);
  expect(((await front.nested()) as string[])[0]?.slice(3, 35)).not.toBe(own.slice(3, 35));
});

describe("with OpenTelemetry", () => {
  const exporter = new InMemorySpanExporter();
  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager());
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  });
  afterAll(() => {
    trace.disable();
    context.disable();
  });
  beforeEach(() => exporter.reset());

  const spans = (): ReadableSpan[] => exporter.getFinishedSpans();
  function spanOf(name: string, kind: SpanKind): ReadableSpan {
    const found = spans().find((span) => span.name === name && span.kind === kind);
    if (found === undefined)
      throw new Error(
        `no span ${name}; there are ${spans()
          .map((span) => span.name)
          .join(", ")}`,
      );
    return found;
  }

  test("calls and requests are spans, each the child of what led to it, across services", async () => {
    await using backs = await testClient(back);
    const fronted = service("front", {
      methods: {
        nested: async () => {
          await new Promise((resolve) => setImmediate(resolve));
          return [currentContext()?.trace, await backs.where()];
        },
      },
    });
    await using front = await testClient(fronted);
    const told = (await front.nested()) as [string, [string, string]];
    const chain = [
      spanOf("front/nested", SpanKind.CLIENT),
      spanOf("front/nested", SpanKind.SERVER),
      spanOf("back/where", SpanKind.CLIENT),
      spanOf("back/where", SpanKind.SERVER),
    ];
    expect(new Set(chain.map((span) => span.spanContext().traceId)).size).toBe(1);
    expect(chain.map((span) => span.parentSpanContext?.spanId)).toEqual([
      undefined,
      ...chain.slice(0, 3).map((span) => span.spanContext().spanId),
    ]);
    expect(told[0].split("-")[2]).toBe(chain[1]?.spanContext().spanId);
    expect(told[1][0].split("-")[2]).toBe(chain[3]?.spanContext().spanId);
    expect(chain[0]?.attributes).toMatchObject({
      "rpc.system": "wherry",
      "rpc.service": "front",
      "rpc.method": "nested",
      "server.address": "pod-0",
      "server.port": 5555,
    });
    expect(chain[3]?.attributes).toMatchObject({ "rpc.service": "back", "wherry.attempt": 1 });
  });

  test("an expected error is no failure of the service, but one of the call", async () => {
    await using client = await testClient(back);
    await expect(client.sold()).rejects.toMatchObject({ code: "SOLD_OUT" });
    const [server, caller] = [spanOf("back/sold", SpanKind.SERVER), spanOf("back/sold", SpanKind.CLIENT)];
    expect([server.attributes["error.type"], server.status.code]).toEqual(["SOLD_OUT", SpanStatusCode.UNSET]);
    expect([caller.attributes["error.type"], caller.status.code]).toEqual(["SOLD_OUT", SpanStatusCode.ERROR]);
  });

  test("each attempt is an event of the call's one span", async () => {
    const clock = new VirtualClock();
    let executed = 0;
    const never = new Promise<never>(() => undefined);
    const flaky = method({ idempotent: true, handler: () => (executed++ === 0 ? never : "done") });
    await using served = await testService(service("flaky", { methods: { flaky } }), { pods: 1, clock });
    const client = served.connect();
    const call = client.flaky();
    await clock.advance(50);
    served.pods[0]?.kill();
    await served.pods[0]?.start();
    await clock.advance(1000);
    expect(await call).toBe("done");
    const { events } = spanOf("flaky/flaky", SpanKind.CLIENT);
    expect(
      events.map(({ name, attributes }) => [name, attributes?.["wherry.attempt"] ?? attributes?.["error.type"]]),
    ).toEqual([
      ["attempt", 1],
      ["attempt failed", "ABORTED"],
      ["attempt", 2],
    ]);
  });

  test("a stream is a span at both sides, its items' handlers within; each attempt is an event", async () => {
    await using backs = await testClient(back);
    const served = service("streams", {
      methods: {
        out: method({
          stream: "out",
          async *handler(_body: unknown, { traceState }) {
            yield traceState;
            yield await backs.where();
          },
        }),
        refused: method({
          stream: "in",
          handler: () => {
            throw new ServiceError("SOLD_OUT", "none left");
          },
        }),
      },
    });
    await using client = await testClient(served);
    const caller = service("caller", {
      methods: { read: async () => all(client.stream("out")) },
    });
    await using outer = await testClient(caller);
    await outer.read();
    const chain = [
      spanOf("caller/read", SpanKind.SERVER),
      spanOf("streams/out", SpanKind.CLIENT),
      spanOf("streams/out", SpanKind.SERVER),
      spanOf("back/where", SpanKind.CLIENT),
    ];
    expect(chain.slice(1).map((span) => span.parentSpanContext?.spanId)).toEqual(
      chain.slice(0, 3).map((span) => span.spanContext().spanId),
    );
    expect(chain[1]?.events.map(({ name }) => name)).toEqual(["attempt"]);
    expect([chain[1]?.status.code, chain[2]?.status.code]).toEqual([SpanStatusCode.UNSET, SpanStatusCode.UNSET]);
    await expect(client.stream("refused", []).result).rejects.toMatchObject({ code: "SOLD_OUT" });
    const [server, own] = [spanOf("streams/refused", SpanKind.SERVER), spanOf("streams/refused", SpanKind.CLIENT)];
    expect([server.attributes["error.type"], server.status.code]).toEqual(["SOLD_OUT", SpanStatusCode.UNSET]);
    expect([own.attributes["error.type"], own.status.code]).toEqual(["SOLD_OUT", SpanStatusCode.ERROR]);
  });

  test("what a handler of another library makes its own active span stays inside", async () => {
    const traced = service("traced", {
      methods: {
        work: () =>
          trace.getTracer("other").startActiveSpan("inner", (span) => {
            span.end();
            return span.spanContext().traceId;
          }),
      },
    });
    await using client = await testClient(traced);
    const traceId = await client.work();
    expect(spanOf("traced/work", SpanKind.SERVER).spanContext().traceId).toBe(traceId);
    expect(spanOf("inner", SpanKind.INTERNAL).parentSpanContext?.spanId).toBe(
      spanOf("traced/work", SpanKind.SERVER).spanContext().spanId,
    );
  });
});
