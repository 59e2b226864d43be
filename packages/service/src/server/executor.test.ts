// The queue before the handlers, the credit that is given for it, and the health that is told of it.
import { silentLogger } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { creditMax, creditMin, overloadLagMs, bodiesBytesMax, sliceMs, stuckMs } from "../limits.ts";
import { liveness, readiness } from "../process/admin.ts";
import { service } from "../define.ts";
import { MemoryNetwork } from "../testing/memory-network.ts";
import { Credit } from "./credit.ts";
import { Executor } from "./executor.ts";
import type { Job } from "./job.ts";
import { Health } from "./health.ts";
import { Server } from "./server.ts";

const job = (deadlineMs = 1000): Job => ({
  ...{ kind: "raw", sender: undefined, frames: [], delimited: false, arrivedMs: 0, endedMs: 0 },
  ...{ deadlineMs, startedMs: 0, state: "queued" },
});

describe("the executor", () => {
  test("lets the event loop breathe between synchronous handlers, and keeps their order", async () => {
    // Time passes while a handler holds the event loop.
    class Ticking extends VirtualClock {
      #nowMs = 0;
      override monotonic(): number {
        this.#nowMs += sliceMs + 1;
        return this.#nowMs;
      }
    }
    const order: (Job | "breath")[] = [];
    const executor = new Executor({
      ...{ concurrency: 1, queueMax: 10, clock: new Ticking() },
      run: (done) => {
        order.push(done);
        return undefined;
      },
    });
    const jobs = [job(), job(), job()];
    for (const one of jobs) executor.submit(one);
    executor.pump();
    expect(order).toHaveLength(1);
    setImmediate(() => order.push("breath"));
    await expect.poll(() => order.filter((one) => one !== "breath")).toEqual(jobs);
    expect(order.indexOf("breath")).toBeLessThan(order.length - 1);
  });

  test("holds so many bytes of what waits, cancelled or not: one peer's bodies once took all memory", async () => {
    const gates: PromiseWithResolvers<undefined>[] = [];
    const run = (): Promise<void> => {
      gates.push(Promise.withResolvers());
      return gates.at(-1)?.promise ?? Promise.resolve();
    };
    const executor = new Executor({ concurrency: 1, queueMax: 100, clock: new VirtualClock(), run });
    const large = new Uint8Array(bodiesBytesMax / 4);
    const of = (...frames: Uint8Array[]): Job => ({ ...job(), frames }) as Job;
    executor.submit(job());
    executor.pump();
    for (let count = 0; count < 4; count++) expect(executor.submit(of(large))).toBe(true);
    expect([executor.queuedBytes, executor.submit(of(new Uint8Array(1))), executor.submit(job())]).toEqual([
      ...[bodiesBytesMax, false, true],
    ]);
    gates[0]?.resolve(undefined);
    await expect.poll(() => gates.length).toBe(2);
    expect([executor.queuedBytes, executor.submit(of(large))]).toEqual([(bodiesBytesMax / 4) * 3, true]);
    expect(executor.submit(of(large))).toBe(false);
    executor.stop();
    expect(executor.queuedBytes).toBe(0);
    // One that is larger than all may be, if there is such a one, is taken when nothing waits.
    expect(
      new Executor({ concurrency: 1, queueMax: 1, clock: new VirtualClock(), run }).submit(
        of(...Array<Uint8Array>(5).fill(large)),
      ),
    ).toBe(true);
  });

  test("runs at most as many at a time as it may, and all in the end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 30 }), async (concurrency, count) => {
        let [running, most, ran] = [0, 0, 0];
        const run = async (): Promise<void> => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
          ran++;
        };
        const executor = new Executor({ concurrency, queueMax: 100, clock: new VirtualClock(), run });
        for (let index = 0; index < count; index++) executor.submit(job());
        executor.pump();
        await expect.poll(() => ran, { interval: 1 }).toBe(count);
        expect(most).toBe(Math.min(concurrency, count));
      }),
      { numRuns: 20 },
    );
  });

  test("refuses what its queue cannot hold, and hands back what never started", () => {
    const never = new Promise<void>(() => undefined);
    const executor = new Executor({ concurrency: 1, queueMax: 2, clock: new VirtualClock(), run: () => never });
    const [first, second, third, fourth] = [job(), job(), job(), job()];
    executor.submit(first);
    executor.pump();
    expect([executor.submit(second), executor.submit(third), executor.submit(fourth)]).toEqual([true, true, false]);
    expect(executor.runningJobs()).toEqual([first]);
    expect(executor.stop()).toEqual([second, third]);
  });
});

describe("credit", () => {
  test("stays within its limits, and follows the service time down and up", () => {
    const durations = fc.array(fc.double({ min: 0, max: 1e4, noNaN: true }), { maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), durations, (concurrency, times) => {
        const credit = new Credit(concurrency);
        for (const ms of times) credit.measure(1, ms);
        expect(credit.current).toBeGreaterThanOrEqual(creditMin);
        expect(credit.current).toBeLessThanOrEqual(creditMax);
      }),
    );
    const credit = new Credit(1);
    for (let round = 0; round < 30; round++) credit.measure(10, 1000);
    expect(credit.current).toBeLessThanOrEqual(2 * creditMin);
    for (let round = 0; round < 60; round++) credit.measure(10_000, 10);
    expect(credit.current).toBeGreaterThan(creditMax / 2);
    expect(credit.measure(0, 0)).toBeUndefined();
  });
});

describe("health", () => {
  test("names an overloaded service, by its queue or its event loop, and keeps it ready and alive", () => {
    const queue = { queued: 0, isStuck: () => false };
    const health = new Health(queue, 100);
    expect(health.stateOf("ready")).toBe("ready");
    queue.queued = 80;
    expect([health.stateOf("ready"), health.stateOf("draining")]).toEqual(["overloaded", "draining"]);
    queue.queued = 79;
    expect(health.stateOf("ready")).toBe("ready");
    health.noteLag(overloadLagMs);
    expect(health.stateOf("ready")).toBe("overloaded");
    for (let measurement = 0; measurement < 10; measurement++) health.noteLag(0);
    expect([health.stateOf("ready"), health.lagMs < 20]).toEqual(["ready", true]);
    const overloaded = { healthState: "overloaded" } as const;
    expect([readiness(overloaded).status, liveness(overloaded).status]).toEqual([200, 200]);
  });

  test("tells starting, ready, draining and stuck apart", async () => {
    const clock = new VirtualClock();
    const network = new MemoryNetwork();
    const hanging = service("test", { raw: () => new Promise<undefined>(() => undefined) });
    const server = new Server(network.router(), hanging, { clock, log: silentLogger, instance: "i" });
    const health = (): unknown => [readiness(server), liveness(server)];
    expect(health()).toEqual([
      { status: 503, state: "starting" },
      { status: 200, state: "starting" },
    ]);
    await server.listen("tcp://server");
    expect(health()).toEqual([
      { status: 200, state: "ready" },
      { status: 200, state: "ready" },
    ]);
    const peer = network.dealer();
    peer.connect("tcp://server");
    await expect.poll(() => peer.connection).toBeDefined();
    peer.send("work");
    await expect.poll(() => server.executor.running).toBe(1);
    expect(liveness(server)).toMatchObject({ status: 200 });
    await clock.advance(2 * stuckMs + 1);
    expect(liveness(server)).toEqual({ status: 503, state: "stuck" });
    void server.drain({ timeoutMs: 5000, minimumMs: 0 });
    expect(readiness(server)).toEqual({ status: 503, state: "stuck" });
    await server.close();
    expect(readiness(server)).toEqual({ status: 503, state: "draining" });
  });
});
