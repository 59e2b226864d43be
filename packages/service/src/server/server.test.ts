// A server and its callers, in memory and in virtual time: what is answered to whom, what is refused, what is cancelled, and whose fault
// it is.
import { describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { drainPollMs } from "../limits.ts";
import { contentType, fate, messageType, serverState } from "../protocol/codes.ts";
import { bytesOfText, decodeContent, type TextContent } from "../protocol/content.ts";
import { encode } from "../protocol/frames.ts";
import type { RequestContext } from "../handler.ts";
import { gate, start } from "./server.suite.ts";

describe("serving", () => {
  test("a peer that says HELLO learns the service, its instance, and its credit, and gets its answers", async () => {
    const { peer } = await start({ methods: { echo: (body: unknown) => body, later: async (body: unknown) => body } });
    const client = (await peer())
      .hello()
      .request(1, "echo", { a: [1] })
      .request(2, "later", "x");
    await expect
      .poll(() => client.answers)
      .toEqual([
        [1, { a: [1] }],
        [2, "x"],
      ]);
    const welcome = client.got[0];
    expect(welcome?.header).toMatchObject({ type: messageType.welcome, texts: ["test", "uid-1"], number: 16 });
    expect(decodeContent(contentType.json, welcome?.body)).toEqual({
      version: "",
      idempotent: ["$ping", "$describe", "$openapi", "$stats", "$queues"],
      keyed: [],
    });
  });

  test("handlers run one after the other unless told otherwise", async () => {
    const [serial, parallel] = [gate(), gate()];
    const one = await start({ methods: { wait: serial.handler } });
    const two = await start({ methods: { wait: parallel.handler }, concurrency: 2 });
    (await one.peer()).hello().request(1, "wait", 1).request(2, "wait", 2).request(3, "wait", 3);
    const client = (await two.peer()).hello().request(1, "wait", 1).request(2, "wait", 2).request(3, "wait", 3);
    await expect.poll(() => parallel.started).toEqual([1, 2]);
    expect(serial.started).toEqual([1]);
    serial.open();
    parallel.open();
    await expect.poll(() => client.answers).toEqual([[1, 1]]);
    await expect
      .poll(() => [serial.started, parallel.started])
      .toEqual([
        [1, 2],
        [1, 2, 3],
      ]);
  });

  test("a time to come back that has passed already, or is none, is no time to wait", async () => {
    const error = (retryAfterMs: number) => new ServiceError("LATER", "later", { retryable: true, retryAfterMs });
    const { peer } = await start({
      methods: {
        early: () => {
          throw error(-5);
        },
        never: () => {
          throw error(Number.NaN);
        },
        soon: () => {
          throw error(1.5);
        },
      },
    });
    const client = (await peer()).hello().request(1, "early", 1).request(2, "never", 1).request(3, "soon", 1);
    const waits = () =>
      client.got.filter(({ header }) => header.type === messageType.error).map(({ header }) => header.number);
    await expect.poll(waits).toEqual([0, 0, 2]);
  });

  test("typed errors, unknown methods and bodies that are no JSON are answered; the service lives", async () => {
    const { peer, crashes } = await start({
      methods: {
        fail: () => {
          throw new ServiceError("SOLD_OUT", "nothing left", { details: { left: 0 }, fate: "not-started" });
        },
      },
    });
    const client = (await peer()).hello().request(1, "fail", 1).request(2, "nope", 1);
    const bad = { id: 3, number: 1000, mark: 1, texts: ["fail", "", ""], content: contentType.json };
    client.socket.send(encode(messageType.request, bad, Buffer.from("{")));
    await expect
      .poll(() => client.answers)
      .toEqual([
        // A handler ran: whatever fate its error came with, this request was answered.
        [2, "NOT_FOUND", fate.answered],
        [1, "SOLD_OUT", fate.answered],
        [3, "INVALID", fate.answered],
      ]);
    const details = client.got.find(({ header }) => header.texts[0] === "SOLD_OUT")?.body;
    expect(decodeContent(contentType.json, details)).toMatchObject({ message: "nothing left", details: { left: 0 } });
    expect(crashes).toEqual([]);
  });

  test("a request whose deadline passed in the queue is not started", async () => {
    const slow = gate();
    const { peer, clock } = await start({ methods: { wait: slow.handler } });
    const client = (await peer()).hello().request(1, "wait", 1).request(2, "wait", 2, 50);
    await expect.poll(() => slow.started).toEqual([1]);
    await clock.advance(60);
    slow.open();
    await expect
      .poll(() => client.answers)
      .toEqual([
        [1, 1],
        [2, "DEADLINE_EXCEEDED", fate.notStarted],
      ]);
    expect(slow.started).toEqual([1]);
  });

  test("a full queue answers BUSY with a time to come back, and still answers pings", async () => {
    const slow = gate();
    const { peer } = await start({ methods: { wait: slow.handler }, queueMax: 2 });
    const client = (await peer()).hello();
    client.request(1, "wait", 1);
    await expect.poll(() => slow.started).toEqual([1]);
    client.request(2, "wait", 2).request(3, "wait", 3).request(4, "wait", 4);
    client.socket.send(encode(messageType.ping, { id: 9 }));
    await expect.poll(() => client.answers).toEqual([[4, "BUSY", fate.notStarted]]);
    expect(client.got.find(({ header }) => header.texts[0] === "BUSY")?.header.number).toBeGreaterThan(0);
    await expect
      .poll(() => client.got.at(-1)?.header)
      .toMatchObject({ type: messageType.pong, id: 9, mark: serverState.overloaded, texts: ["test", "uid-1"] });
  });

  test("a cancelled request that waits is never started; one that runs is told", async () => {
    const seen: boolean[] = [];
    const slow = gate();
    const { peer } = await start({
      methods: {
        wait: (body: unknown, { signal }) => {
          signal.addEventListener("abort", () => seen.push(true));
          return slow.handler(body);
        },
      },
    });
    const client = (await peer()).hello().request(1, "wait", 1).request(2, "wait", 2);
    await expect.poll(() => slow.started).toEqual([1]);
    for (const id of [1, 2, 77]) client.socket.send(encode(messageType.cancel, { id }));
    await expect.poll(() => client.answers).toEqual([[2, "CANCELLED", fate.notStarted]]);
    expect(seen).toEqual([true]);
    slow.open();
    await expect.poll(() => client.answers.at(-1)).toEqual([1, 1]);
    expect(slow.started).toEqual([1]);
  });

  test("schemas: an invalid body is INVALID from outside, and a crash from inside", async () => {
    const positive = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value: unknown) =>
          typeof value === "number" && value > 0 ? { value } : { issues: [{ message: "not positive", path: ["n"] }] },
      },
    } as const;
    const handler = (body: number): number => body * 2;
    const { peer, crashes } = await start({
      methods: {
        outside: { input: positive, handler },
        inside: { input: positive, handler, trust: "internal" },
      },
    });
    const client = (await peer()).hello().request(1, "outside", 2).request(2, "outside", -1);
    await expect
      .poll(() => client.answers)
      .toEqual([
        [1, 4],
        [2, "INVALID", fate.answered],
      ]);
    client.request(3, "inside", -1);
    await expect.poll(() => client.answers.at(-1)).toEqual([3, "ABORTED", fate.maybeExecuted]);
    expect(crashes[0]?.error?.message).toMatch(/trusted as internal, got an invalid body/);
  });
});

describe("a handler that stops because its signal aborts", () => {
  const ways: readonly [string, (signal: AbortSignal) => Error][] = [
    ["throws the signal's reason", (signal) => signal.reason as Error],
    ["throws an AbortError, as Node's functions do", () => new DOMException("aborted", "AbortError")],
    ["throws an error whose cause is the reason", ({ reason }) => new Error("the query failed", { cause: reason })],
  ];
  const stopping = (how: (signal: AbortSignal) => Error) => ({
    methods: {
      wait: (_body: unknown, { signal }: RequestContext) =>
        new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(how(signal)))),
    },
  });

  test.each(ways)("%s: at the deadline that is DEADLINE_EXCEEDED, no crash", async (_what, how) => {
    const { peer, clock, server, crashes } = await start(stopping(how));
    const client = (await peer()).hello().request(1, "wait", null, 100);
    await expect.poll(() => server.executor.running).toBe(1);
    await clock.advance(101);
    await expect.poll(() => client.answers).toEqual([[1, "DEADLINE_EXCEEDED", fate.maybeExecuted]]);
    expect(crashes).toEqual([]);
  });

  test.each(ways)("%s: after a cancellation that is CANCELLED, no crash", async (_what, how) => {
    const { peer, server, crashes } = await start(stopping(how));
    const client = (await peer()).hello().request(1, "wait", null);
    await expect.poll(() => server.executor.running).toBe(1);
    client.socket.send(encode(messageType.cancel, { id: 1 }));
    await expect.poll(() => client.answers).toEqual([[1, "CANCELLED", fate.maybeExecuted]]);
    expect(crashes).toEqual([]);
  });

  test("an AbortError of something else is a bug like any other", async () => {
    const fail = (): never => {
      throw new DOMException("aborted", "AbortError");
    };
    const { peer, crashes } = await start({ methods: { fail } });
    (await peer()).hello().request(1, "fail", null);
    await expect.poll(() => crashes).toMatchObject([{ reason: "crashed", method: "fail" }]);
  });
});

describe("a caller that is no ZeroMQ peer", () => {
  const incoming = { id: 7, method: "echo", key: "", trace: "", attempt: 1, content: contentType.json, withinMs: 1000 };
  const body = Buffer.from('"hi"');

  function caller() {
    const answers: unknown[] = [];
    const reply = (id: number, text: TextContent): void => {
      const { content, body: bytes } = bytesOfText(text);
      answers.push([id, decodeContent(content, bytes)]);
    };
    const fail = (id: number, error: ServiceError): void => void answers.push([id, error.code, error.fate]);
    return { answers, address: "test", reply, fail };
  }

  test("gets the answer, or why there is none, under its own number", async () => {
    const { server } = await start({ methods: { echo: (value: unknown) => value } });
    const asking = caller();
    server.take({ ...incoming, body }, asking);
    server.take({ ...incoming, id: 8, method: "nope", body }, asking);
    server.take({ ...incoming, id: 9, withinMs: 0, body }, asking);
    await expect.poll(() => asking.answers).toHaveLength(3);
    expect(asking.answers).toEqual([
      [7, "hi"],
      [8, "NOT_FOUND", "answered"],
      [9, "DEADLINE_EXCEEDED", "not-started"],
    ]);
  });

  test("is handed back what waits when the service crashes", async () => {
    const slow = gate();
    const { server } = await start({ methods: { echo: slow.handler } });
    const asking = caller();
    server.take({ ...incoming, body }, asking);
    server.take({ ...incoming, id: 8, body }, asking);
    server.crash(new Error("bug"));
    expect(asking.answers).toEqual([
      [8, "REFUSED", "not-started"],
      [7, "ABORTED", "maybe-executed"],
    ]);
  });

  test("has a source that the drain tells, waits for, and closes", async () => {
    const { server, clock } = await start({ methods: { echo: (value: unknown) => value } });
    const told: string[] = [];
    const source = {
      quiet: false,
      leave: () => void told.push("leave"),
      close: async () => void told.push("close"),
    };
    server.attach(source);
    const drained = server.drain({ timeoutMs: 5000, minimumMs: 0 });
    await clock.advance(1000);
    expect(server.state).toBe("draining");
    source.quiet = true;
    await clock.advance(2 * drainPollMs);
    expect(await drained).toMatchObject({ reason: "drained" });
    expect(told).toEqual(["leave", "close"]);
  });
});
