// Streams as a caller and a handler see them, over a network in memory and in virtual time.
import { describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { streamWindowItems } from "../limits.ts";
import { method } from "../define.ts";
import { counting, double, from1, read, sum, world } from "./stream.suite.ts";

describe("a stream", () => {
  test("out of a service gives its items in order, and then its reply", async () => {
    const { client, pod } = world();
    const made = { last: 0, ended: false };
    const { server } = await pod("a", { methods: { count: counting(made) } });
    const stream = client.stream("count", { to: 1000 });
    expect(await read(stream)).toEqual(from1(1000));
    expect(await stream.result).toBe("all");
    expect(made.ended).toBe(true);
    expect(server.streams?.running.size).toBe(0);
  });

  test("into a service takes any iterable, and gives one reply", async () => {
    const { client, pod } = world();
    await pod("a", { methods: { sum } });
    expect(await client.stream("sum", from1(1000)).result).toBe(500_500);
    async function* some() {
      yield 1;
      yield 2;
    }
    expect(await client.stream("sum", some()).result).toBe(3);
    expect(await client.stream("sum", []).result).toBe(0);
  });

  test("both ways does both at once", async () => {
    const { client, pod } = world();
    await pod("a", { methods: { double } });
    const stream = client.stream("double", from1(1000));
    expect(await read(stream)).toEqual(from1(1000).map((n) => 2 * n));
    expect(await stream.result).toBe(1000);
  });

  test("asks a generator for no more than its reader can take, and goes on as that reads", async () => {
    const { client, pod, clock } = world();
    const made = { last: 0, ended: false };
    await pod("a", { methods: { count: counting(made) } });
    const stream = client.stream("count", {});
    await clock.advance(1000);
    await expect.poll(() => made.last).toBe(streamWindowItems);
    await clock.advance(60_000);
    expect(made.last).toBe(streamWindowItems);
    for (let n = 1; n <= 100; n++) expect(await stream.next()).toEqual({ done: false, value: n });
    await clock.advance(1000);
    expect(made.last).toBe(streamWindowItems);
    for (let n = 101; n <= 128; n++) await stream.next();
    await expect.poll(() => made.last).toBe(streamWindowItems + 128);
    await stream.return();
    await expect.poll(() => made.ended).toBe(true);
  });

  test("of large items is bounded by their bytes", async () => {
    const { client, pod, clock } = world();
    let made = 0;
    const big = method({
      stream: "out",
      *handler() {
        for (;;) {
          made++;
          yield new Uint8Array(100_000);
        }
      },
    });
    await pod("a", { methods: { big } });
    const stream = client.stream("big", undefined);
    await clock.advance(1000);
    await expect.poll(() => made).toBe(3);
    await stream.next();
    await stream.next();
    await expect.poll(() => made).toBe(5);
    stream.cancel();
  });

  test("that is left early ends at both sides: the generator's finally runs, the caller's too", async () => {
    const { client, pod } = world();
    const made = { last: 0, ended: false };
    let left = false;
    const first = method({
      stream: "both",
      async *handler(items: AsyncIterableIterator<number>) {
        for await (const item of items) yield item;
      },
    });
    const { server } = await pod("a", { methods: { count: counting(made), first } });
    expect(await read(client.stream("count", {}), 3)).toEqual([1, 2, 3]);
    await expect.poll(() => made.ended).toBe(true);
    function* endless() {
      try {
        for (let n = 1; ; n++) yield n;
      } finally {
        left = true;
      }
    }
    const stream = client.stream("first", endless());
    expect(await read(stream, 3)).toEqual([1, 2, 3]);
    await expect(stream.result).rejects.toMatchObject({ code: "CANCELLED" });
    expect(left).toBe(true);
    await expect.poll(() => server.streams?.running.size).toBe(0);
  });

  test("whose handler reads no more stops its caller's items, and goes on", async () => {
    const { client, pod } = world();
    let left = false;
    const few = method({
      stream: "in",
      handler: async (items: AsyncIterableIterator<number>) => {
        const got: number[] = [];
        for await (const item of items) if (got.push(item) === 2) break;
        return got;
      },
    });
    await pod("a", { methods: { few } });
    function* endless() {
      try {
        for (let n = 1; ; n++) yield n;
      } finally {
        left = true;
      }
    }
    expect(await client.stream("few", endless()).result).toEqual([1, 2]);
    expect(left).toBe(true);
  });

  test("tells an error of the handler after the items before it, typed", async () => {
    const { client, pod, clock } = world();
    const fails = method({
      stream: "out",
      async *handler() {
        yield 1;
        yield 2;
        throw new ServiceError("SOLD_OUT", "nothing left", { details: { left: 0 } });
      },
    });
    await pod("a", { methods: { fails } });
    const stream = client.stream("fails", undefined);
    await clock.advance(100);
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const item of stream) got.push(item);
    })();
    await expect(reading).rejects.toMatchObject({ code: "SOLD_OUT", fate: "answered", details: { left: 0 } });
    expect(got).toEqual([1, 2]);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  test("whose caller's iterable throws rejects with that, and its handler is not told that this was all", async () => {
    const { client, pod } = world();
    const seen: unknown[] = [];
    const upload = method({
      stream: "in",
      handler: async (items: AsyncIterableIterator<number>) => {
        try {
          for await (const item of items) seen.push(item);
          seen.push("all");
        } catch (error) {
          seen.push((error as ServiceError).code);
          throw error;
        }
        return "stored";
      },
    });
    await pod("a", { methods: { upload } });
    function* broken() {
      yield 1;
      throw new Error("disk is gone");
    }
    await expect(client.stream("upload", broken()).result).rejects.toThrow("disk is gone");
    await expect.poll(() => seen.at(-1)).toBe("CANCELLED");
  });

  test("of a handler with a bug crashes the service, and its caller gets ABORTED", async () => {
    const { client, pod } = world();
    const buggy = method({
      stream: "out",
      async *handler() {
        yield 1;
        throw new TypeError("undefined is no function");
      },
    });
    const made = { last: 0, ended: false };
    const { crashes } = await pod("a", { methods: { buggy, count: counting(made) } });
    const other = client.stream("count", {});
    expect(await other.next()).toMatchObject({ value: 1 });
    await expect(read(client.stream("buggy", undefined))).rejects.toMatchObject({
      code: "ABORTED",
      fate: "maybe-executed",
      message: expect.stringContaining("buggy crashed the service"),
    });
    await expect(read(other)).rejects.toMatchObject({ code: "ABORTED" });
    expect(crashes).toMatchObject([{ method: "buggy", aborted: 2, error: { message: "undefined is no function" } }]);
  });

  test("with an item that the schema refuses is INVALID, with the reason", async () => {
    const { client, pod } = world();
    const { crashes } = await pod("a", { methods: { sum } });
    await expect(client.stream("sum", [1, "two", 3]).result).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringMatching(/^item 2: .*expected number/),
    });
    expect(crashes).toEqual([]);
  });

  test("has no deadline, but keeps to one that it is given", async () => {
    const { client, pod, clock } = world();
    const waiting = method({
      stream: "out",
      async *handler(_body: undefined, { signal, remainingMs }) {
        yield remainingMs === Number.POSITIVE_INFINITY ? null : remainingMs;
        await clock.sleep(3_600_000, signal);
        yield "after an hour";
      },
    });
    const { crashes } = await pod("a", { methods: { waiting } });
    const long = client.stream("waiting", undefined);
    expect(await long.next()).toMatchObject({ value: null });
    const short = client.stream("waiting", undefined, { deadlineMs: 1000 });
    expect(await short.next()).toMatchObject({ value: 1000 });
    const late = short.next().catch((error: unknown) => error);
    await clock.advance(1000);
    expect(await late).toMatchObject({ code: "DEADLINE_EXCEEDED", fate: "maybe-executed" });
    await clock.advance(3_600_000);
    expect(await long.next()).toMatchObject({ value: "after an hour" });
    expect(crashes).toEqual([]);
  });

  test("that is no stream, and a stream that is called, say so", async () => {
    const { client, pod } = world();
    await pod("a", { methods: { sum, echo: (body: unknown) => body } });
    await expect(read(client.stream("echo", 1))).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringMatching(/no stream "echo"; it has sum.*client\.call/),
    });
    await expect(client.call("sum", 1)).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringMatching(/sum is a stream \(in\).*client\.stream/),
    });
    await expect(client.stream("sum", 5).result).rejects.toThrow(/takes items: expected an iterable, got number/);
  });
});
