// What a test of a service is given: one line for a client, pods that die at its command, time that jumps.
import { describe, expect, expectTypeOf, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { method, service } from "../define.ts";
import { testClient, testService, VirtualClock } from "./index.ts";

let slept = 0;
const shop = service("shop", {
  concurrency: 10,
  methods: {
    stock: () => 2,
    buy: (body: { readonly count: number }) => {
      if (body.count > 2) throw new ServiceError("SOLD_OUT", "none left");
      return 2 - body.count;
    },
    broken: () => {
      throw new TypeError("a bug");
    },
    never: () => new Promise<never>(() => undefined),
    repeat: method({ idempotent: true, handler: () => ++slept }),
  },
});

describe("a client of a service under test", () => {
  test("is one line, typed, and runs the real handlers", async () => {
    await using client = await testClient(shop);
    expectTypeOf(client.buy).parameter(0).toEqualTypeOf<{ readonly count: number }>();
    expect(await client.buy({ count: 1 })).toBe(1);
    await expect(client.buy({ count: 3 })).rejects.toMatchObject({ code: "SOLD_OUT", fate: "answered" });
    expect(await client.call("stock")).toBe(2);
  });

  test("deadlines jump with a virtual clock", async () => {
    const clock = new VirtualClock();
    await using client = await testClient(shop, { clock });
    const call = client.never(undefined, { deadlineMs: 3_600_000 });
    const failed = expect(call).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await clock.advance(3_600_000);
    await failed;
  });

  test("a bug in a handler fails its call, and the test that closes the client", async () => {
    const client = await testClient(shop);
    await expect(client.broken()).rejects.toMatchObject({ code: "ABORTED" });
    await expect(client.close()).rejects.toThrow("a bug");
  });
});

describe("a service under test", () => {
  test("loses no request when pods leave one after the other and come back", async () => {
    const clock = new VirtualClock();
    await using shops = await testService(shop, { pods: 3, clock });
    const client = shops.connect();
    for (const pod of shops.pods) {
      const ended = pod.drain();
      const calls = Promise.all(Array.from({ length: 20 }, () => client.stock()));
      await clock.advance(200);
      expect(await calls).toEqual(new Array(20).fill(2));
      expect(await ended).toMatchObject({ reason: "drained", refused: 0 });
      await pod.start();
      await clock.advance(100);
    }
  });

  test("kills, crashes and freezes pods; the client says what became of the calls", async () => {
    const clock = new VirtualClock();
    const crashed: number[] = [];
    await using shops = await testService(shop, { pods: 2, clock, onCrash: ({ index }) => crashed.push(index) });
    const client = shops.connect();
    await clock.advance(10);
    const outstanding = Promise.allSettled([client.never(), client.never(), client.never()]);
    await clock.advance(10);
    shops.pods[0]?.kill();
    shops.pods[1]?.crash(new Error("bug"));
    await clock.advance(100);
    for (const settled of await outstanding)
      expect(settled).toMatchObject({ status: "rejected", reason: { code: "ABORTED", fate: "maybe-executed" } });
    expect(crashed).toEqual([1]);
    expect(shops.pods.map(({ state }) => state)).toEqual(["ended", "ended"]);
    await shops.pods[0]?.start();
    const repeated = client.repeat();
    await clock.advance(1000);
    expect(await repeated).toBe(1);
    shops.pods[0]?.freeze();
    const frozen = client.stock();
    await clock.advance(1000);
    shops.pods[0]?.thaw();
    await clock.advance(10);
    expect(await frozen).toBe(2);
  });

  test("a pod that has not ended is not started", async () => {
    await using shops = await testService(shop);
    await expect(shops.pods[0]?.start()).rejects.toMatchObject({ code: "SERVICE_TEST_MISUSE" });
  });
});
