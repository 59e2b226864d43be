// Streams whose pods come and go: what waits, what goes elsewhere, and what is told when one breaks off.
import { describe, expect, test } from "vitest";
import { streamSilenceMs, streamWindowItems } from "../limits.ts";
import { method } from "../define.ts";
import { counting, read, sum, world } from "./stream.suite.ts";

describe("pods that come and go", () => {
  test("a stream waits for a pod, and says after the deadline of calls that there is none", async () => {
    const { client, pod, clock } = world();
    const early = client.stream("sum", [1, 2]).result;
    await pod("a", { methods: { sum } });
    expect(await early).toBe(3);
    const nobody = world();
    const late = nobody.client.stream("sum", [1]).result.catch((error: unknown) => error);
    await nobody.clock.advance(5000);
    expect(await late).toMatchObject({ code: "UNAVAILABLE", fate: "not-started" });
    await clock.advance(0);
  });

  test("beyond streamsMax a stream goes elsewhere before its first item; the caller's items are not lost", async () => {
    const { client, pod, clock } = world();
    const hold = method({
      stream: "in",
      handler: async (items: AsyncIterableIterator<number>) => {
        let total = 0;
        for await (const item of items) total += item;
        return total;
      },
    });
    const { server: a } = await pod("a", { streamsMax: 1, methods: { hold } });
    async function* never() {
      await new Promise(() => undefined);
      yield 0;
    }
    const holding = client.stream("hold", never());
    await expect.poll(() => a.streams?.running.size).toBe(1);
    const second = client.stream("hold", [1, 2, 3]).result;
    await clock.advance(150);
    const { server: b } = await pod("b", { streamsMax: 1, methods: { hold } });
    await clock.advance(2000);
    expect(await second).toBe(6);
    expect([...b.metrics.streams.get("hold")!.outcomes]).toEqual([["OK", 1]]);
    holding.cancel();
  });

  test("a killed pod's stream is ABORTED after what came, and is not sent again", async () => {
    const { client, pod } = world();
    const made = { last: 0, ended: false };
    const { router } = await pod("a", { methods: { count: counting(made) } });
    const stream = client.stream("count", {});
    expect(await stream.next()).toMatchObject({ value: 1 });
    await expect.poll(() => made.last).toBe(streamWindowItems);
    const other = { last: 0, ended: false };
    await pod("b", { methods: { count: counting(other) } });
    router.kill();
    await expect(read(stream)).rejects.toMatchObject({ code: "ABORTED", fate: "maybe-executed", retryable: true });
    await expect.poll(() => made.ended).toBe(true);
    expect(other.last).toBe(0);
  });

  test("a pod that has not answered for half a minute has lost its streams", async () => {
    const { client, pod, clock } = world();
    const { router } = await pod("a", { methods: { count: counting({ last: 0, ended: false }) } });
    const stream = client.stream("count", { to: 1 });
    expect(await stream.next()).toMatchObject({ value: 1 });
    const hanging = client.stream("count", {});
    await hanging.next();
    router.freeze();
    const result = hanging.result.catch((error: unknown) => error);
    await clock.advance(streamSilenceMs + 10_000);
    expect(await result).toMatchObject({ code: "ABORTED", message: expect.stringContaining("not answered for 30 s") });
    router.thaw();
  });

  test("a leaving pod ends endless streams at once, retryable, and finishes the others", async () => {
    const { client, pod, clock } = world();
    const endless = { last: 0, ended: false };
    let finish: () => void = () => undefined;
    const told: string[] = [];
    const finite = method({
      stream: "out",
      async *handler(_body: undefined, { leaving }) {
        leaving.addEventListener("abort", () => told.push("leaving"));
        yield 1;
        await new Promise<void>((resolve) => (finish = resolve));
        yield 2;
      },
    });
    const { server } = await pod("a", { methods: { watch: counting(endless, { endless: true }), finite } });
    const watch = client.stream("watch", {});
    const other = client.stream("finite", undefined);
    expect([await watch.next(), await other.next()]).toMatchObject([{ value: 1 }, { value: 1 }]);
    const drained = server.drain({ timeoutMs: 5000, minimumMs: 0 });
    await expect(read(watch)).rejects.toMatchObject({ code: "ABORTED", retryable: true, details: { leaving: true } });
    expect(endless.ended).toBe(true);
    expect(told).toEqual(["leaving"]);
    finish();
    expect(await read(other)).toEqual([2]);
    await clock.advance(100);
    expect(await drained).toMatchObject({ reason: "drained", aborted: 0 });
  });

  test("at the drain's deadline what still runs is ABORTED, and counted", async () => {
    const { client, pod, clock } = world();
    const { server } = await pod("a", { methods: { count: counting({ last: 0, ended: false }) } });
    const stream = client.stream("count", {});
    await stream.next();
    const drained = server.drain({ timeoutMs: 1000, minimumMs: 0 });
    await clock.advance(1100);
    expect(await drained).toMatchObject({ reason: "deadline", aborted: 1 });
    await expect(stream.result).rejects.toMatchObject({ code: "ABORTED" });
  });

  test("a client that closes ends its streams at both sides", async () => {
    const { client, pod } = world();
    const made = { last: 0, ended: false };
    await pod("a", { methods: { count: counting(made) } });
    const stream = client.stream("count", {});
    await stream.next();
    await client.close();
    await expect(read(stream)).rejects.toMatchObject({ code: "CLOSED" });
    await expect.poll(() => made.ended).toBe(true);
  });
});
