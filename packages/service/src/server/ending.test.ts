// How a server ends: by a bug, by a drain, at the drain's deadline. Every request gets a definite answer.
import { describe, expect, test } from "vitest";
import { drainPollMs } from "../limits.ts";
import { fate, messageType } from "../protocol/codes.ts";
import { encode } from "../protocol/frames.ts";
import { gate, start } from "./server.suite.ts";

describe("crash", () => {
  test("aborts what runs, refuses what waits, tells once, and ends", async () => {
    const slow = gate();
    const { peer, server, crashes } = await start({
      methods: {
        wait: slow.handler,
        bug: () => {
          throw new TypeError("bug");
        },
      },
      concurrency: 2,
    });
    const client = (await peer()).hello().request(1, "wait", 1).request(2, "bug", 2).request(3, "wait", 3);
    const ending = await server.ended;
    expect(ending).toMatchObject({ reason: "crashed", aborted: 2, refused: 1, error: { message: "bug" } });
    expect(client.answers).toEqual([
      [3, "REFUSED", fate.notStarted],
      [1, "ABORTED", fate.maybeExecuted],
      [2, "ABORTED", fate.maybeExecuted],
    ]);
    server.crash(new Error("again"));
    expect(crashes).toHaveLength(1);
  });

  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  test.each([
    ["a bigint", 10n, /^method get returned what JSON cannot hold \(Do not know how to serialize a BigInt\); return/],
    ["a cycle", cycle, /^method get returned what JSON cannot hold \(Converting circular structure to JSON\); return/],
    ["a function", () => 1, /^method get returned what JSON cannot hold \(body: expected a JSON value.*\); return/],
  ])("a result that cannot travel, %s, names its method and the reason", async (_name, result, message) => {
    const { peer, server } = await start({ methods: { get: () => result, later: async () => result } });
    (await peer()).hello().request(1, "get", 1);
    expect(await server.ended).toMatchObject({
      reason: "crashed",
      method: "get",
      error: { code: "SERVICE_RESULT_INVALID", message: expect.stringMatching(message) },
    });
    const again = await start({ methods: { get: async () => result } });
    (await again.peer()).hello().request(1, "get", 1);
    expect(await again.server.ended).toMatchObject({ method: "get", error: { code: "SERVICE_RESULT_INVALID" } });
  });

  test.each([
    [
      "internal",
      "method bug crashed the service while the request ran; it may have had its effect; it threw: secret 1",
    ],
    [
      "external",
      "method bug crashed the service while the request ran; it may have had its effect; the service's log says why",
    ],
  ] as const)(
    "a caller that is trusted as internal learns what was thrown; others don't: %s",
    async (trust, message) => {
      const handler = (): never => {
        throw new TypeError("secret 1\nsecond line");
      };
      const { peer, server } = await start({ methods: { bug: { trust, handler } } });
      const client = (await peer()).hello().request(1, "bug", 1);
      await server.ended;
      expect(client.messages).toEqual([message]);
    },
  );

  test("names the method of what was thrown, also of what has no text: that once escaped as another error", async () => {
    const thrown = Object.create(null) as Error;
    const { peer, crashes } = await start({
      methods: {
        odd: () => {
          throw thrown;
        },
      },
    });
    const client = (await peer()).hello().request(1, "odd", null);
    await expect.poll(() => client.answers).toEqual([[1, "ABORTED", fate.maybeExecuted]]);
    expect(crashes).toMatchObject([{ method: "odd", error: { message: "thrown: an object that has no text" } }]);
  });
});

describe("drain", () => {
  const times = { timeoutMs: 5000, minimumMs: 0 };

  const most = 2 ** 32 - 1;
  test.each([
    [Infinity, most, most],
    [2 ** 32 + 5, most, most],
    [4.5, 5, 5],
  ])(
    "of %d ms tells peers, those that come later too, no other time than that: what cannot be said is the most",
    async (...row) => {
      const [timeoutMs, told, toldLater] = row;
      const slow = gate();
      const { peer, server } = await start({ methods: { wait: slow.handler } });
      const leftOf = (got: Awaited<ReturnType<typeof peer>>) =>
        got.got.filter(({ header }) => header.type === messageType.goaway).map(({ header }) => header.number);
      const early = (await peer()).hello().request(1, "wait", "done");
      await expect.poll(() => slow.started).toHaveLength(1);
      void server.drain({ timeoutMs, minimumMs: 0 });
      const late = (await peer()).hello();
      await expect.poll(() => [leftOf(early), leftOf(late)]).toEqual([[told], [toldLater]]);
      expect(server.state).toBe("draining");
      slow.open();
      await expect.poll(() => early.answers).toEqual([[1, "done"]]);
    },
  );

  test.each([-1, 0, NaN, -Infinity])("of %d ms is over at once, and says so", async (timeoutMs) => {
    const slow = gate();
    const { peer, server } = await start({ methods: { wait: slow.handler } });
    const client = (await peer()).hello().request(1, "wait", 1).request(2, "wait", 2);
    await expect.poll(() => slow.started).toHaveLength(1);
    expect(await server.drain({ timeoutMs, minimumMs: 0 })).toMatchObject({
      reason: "deadline",
      refused: 1,
      aborted: 1,
    });
    await expect.poll(() => client.answers).toHaveLength(2);
    const [goaway] = client.got.filter(({ header }) => header.type === messageType.goaway);
    expect(goaway?.header.number).toBe(0);
  });

  test("tells every peer, and later ones, stays until each said BYE, and serves what still comes", async () => {
    const { peer, server, clock } = await start({ methods: { echo: (body: unknown) => body } });
    const early = (await peer()).hello();
    await expect.poll(() => early.types).toEqual([messageType.welcome]);
    const drained = server.drain(times);
    await expect.poll(() => early.types).toEqual([messageType.welcome, messageType.goaway]);
    expect(server.state).toBe("draining");
    const late = (await peer()).hello();
    await expect.poll(() => late.types).toEqual([messageType.welcome, messageType.goaway]);
    early.request(1, "echo", "still served");
    await expect.poll(() => early.answers).toEqual([[1, "still served"]]);
    early.socket.send(encode(messageType.bye, {}));
    await clock.advance(100);
    expect(server.state).toBe("draining");
    late.socket.send(encode(messageType.bye, {}));
    await clock.advance(2 * drainPollMs);
    expect(await drained).toMatchObject({ reason: "drained", refused: 0, aborted: 0 });
  });

  test("ends at once when nobody is there, and after the minimum when one is asked for", async () => {
    const [one, two] = [await start({ raw: (frames) => frames }), await start({ raw: (frames) => frames })];
    expect(await one.server.drain(times)).toMatchObject({ reason: "drained" });
    const drained = two.server.drain({ timeoutMs: 5000, minimumMs: 1000 });
    await two.clock.advance(990);
    expect(two.server.state).toBe("draining");
    await two.clock.advance(20);
    expect(await drained).toMatchObject({ reason: "drained" });
  });

  test("waits for a raw peer only as long as it talks", async () => {
    const { peer, server, clock } = await start({ raw: (frames) => frames });
    const req = await peer();
    req.socket.send(["", "hi"]);
    await expect.poll(() => req.raw).toHaveLength(1);
    const drained = server.drain(times);
    await clock.advance(50);
    expect(server.state).toBe("draining");
    await clock.advance(100);
    expect(await drained).toMatchObject({ reason: "drained" });
  });

  test("at its deadline hands back what is left, with the counts", async () => {
    const slow = gate();
    const { peer, server, clock } = await start({ methods: { wait: slow.handler } });
    const client = (await peer()).hello().request(1, "wait", 1, 60_000).request(2, "wait", 2, 60_000);
    await expect.poll(() => slow.started).toEqual([1]);
    const drained = server.drain(times);
    await clock.advance(5100);
    expect(await drained).toMatchObject({ reason: "deadline", refused: 1, aborted: 1 });
    expect(client.answers).toEqual([
      [2, "REFUSED", fate.notStarted],
      [1, "ABORTED", fate.maybeExecuted],
    ]);
  });
});
