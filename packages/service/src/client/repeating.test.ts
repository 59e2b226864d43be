// A call's second chances: hedges, attempts that are given up, pods that it brings down, and what it falls back to.
import { describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { hanging, noting, world } from "./world.suite.ts";

/** Pod a never answers and notes what it began, pod b answers; calls go to a first. */
async function slowAndQuick(options: Parameters<typeof world>[0] = {}, promise = { idempotent: true }) {
  const here = world({ balance: "round-robin", ...options });
  const began: unknown[] = [];
  const ran: string[] = [];
  const slow = await here.pod("a", hanging(began, promise));
  const quick = noting(ran, "b").methods?.["who"];
  await here.pod("b", { methods: { who: { handler: quick!, ...promise } } });
  here.list("a", "b");
  await here.available(2);
  return { ...here, began, ran, slow };
}

describe("hedging", () => {
  test("a slow call is sent to a second pod; the first answer counts, and the slow one is cancelled", async () => {
    const { client, clock, began, ran, slow } = await slowAndQuick({ hedge: { afterMs: 20 } });
    const call = client.call("who", 1);
    await expect.poll(() => began).toEqual([1]);
    await clock.advance(19);
    expect(ran).toEqual([]);
    await clock.advance(5);
    expect(await call).toBe("b");
    expect(client.counters).toMatchObject({ hedges: 1, hedgesWon: 1, retries: 0, succeeded: 1 });
    const [job] = slow.server.executor.runningJobs();
    expect(job?.kind === "request" && job.context.signal.aborted).toBe(true);
  });

  test("only of calls that may be repeated, and where another pod has room", async () => {
    const { client, clock, began, list } = await slowAndQuick({ hedge: { afterMs: 20 } }, { idempotent: false });
    client.call("who", 1).catch(() => undefined);
    await expect.poll(() => began).toEqual([1]);
    await clock.advance(1000);
    expect(client.counters.hedges).toBe(0);
    list("a");
    client.call("who", 2, { idempotent: true }).catch(() => undefined);
    await clock.advance(1000);
    expect(client.counters.hedges).toBe(0);
  });

  test("takes from the budget of repetitions; without one there are no hedges", async () => {
    const { client, clock, began } = await slowAndQuick({ hedge: { afterMs: 20 }, retry: { budgetRatio: 0 } });
    client.call("who", 1).catch(() => undefined);
    await expect.poll(() => began).toEqual([1]);
    await clock.advance(1000);
    expect(client.counters.hedges).toBe(0);
  });

  test("when one attempt breaks, the other's answer is the call's", async () => {
    const { client, pod, list, available, clock } = world({ balance: "round-robin", hedge: { afterMs: 20 } });
    let answer: (value: string) => void = () => undefined;
    const waits = { idempotent: true, handler: () => new Promise<string>((resolve) => (answer = resolve)) };
    const began: unknown[] = [];
    const { router } = await pod("a", hanging(began, { idempotent: true }));
    const { server } = await pod("b", { methods: { who: waits } });
    list("a", "b");
    await available(2);
    const call = client.call("who", 1);
    await clock.advance(20);
    await expect.poll(() => [began.length, server.executor.running]).toEqual([1, 1]);
    router.kill();
    await clock.advance(100);
    expect(client.counters.retries).toBe(0);
    answer("b");
    expect(await call).toBe("b");
  });

  test("after a percentile hedges what takes longer than others did, once there are some", async () => {
    const { client, pod, list, available, clock } = world({ hedge: { afterPercentile: 90 } });
    let slow = false;
    const handler = async (): Promise<string> => {
      await clock.sleep(slow ? 1000 : 10);
      return "done";
    };
    for (const name of ["a", "b"]) await pod(name, { methods: { who: { idempotent: true, handler } } });
    list("a", "b");
    await available(2);
    slow = true;
    const early = client.call("who", 0);
    await clock.advance(1100);
    await early;
    expect(client.counters.hedges).toBe(0);
    slow = false;
    for (let index = 0; index < 40; index++) {
      const call = client.call("who", index);
      await clock.advance(11);
      await call;
    }
    slow = true;
    const late = client.call("who", 1);
    await clock.advance(30);
    expect(client.counters.hedges).toBe(1);
    await clock.advance(2000);
    expect(await late).toBe("done");
  });
});

describe("attempts", () => {
  test("one that takes too long is given up and made elsewhere", async () => {
    const { client, clock, began } = await slowAndQuick({ retry: { attemptTimeoutMs: 50 } });
    const call = client.call("who", 1);
    await expect.poll(() => began).toEqual([1]);
    await clock.advance(60);
    expect(await call).toBe("b");
    expect(client.counters).toMatchObject({ attemptTimeouts: 1, retries: 1 });
  });

  test("one of a call that may not be repeated may take its time", async () => {
    const { client, clock, began } = await slowAndQuick({ retry: { attemptTimeoutMs: 50 } }, { idempotent: false });
    const call = client.call("who", 1, { deadlineMs: 500 }).catch((error: unknown) => error);
    await expect.poll(() => began).toEqual([1]);
    await clock.advance(600);
    expect(await call).toMatchObject({ code: "DEADLINE_EXCEEDED", fate: "maybe-executed" });
    expect(client.counters).toMatchObject({ attemptTimeouts: 0, retries: 0 });
  });

  test("at the only pod, too: the second attempt is another request there", async () => {
    const { client, pod, list, available, clock } = world({ retry: { attemptTimeoutMs: 50 } });
    let first = true;
    const handler = (): string | Promise<string> => {
      if (!first) return "at last";
      first = false;
      return new Promise(() => undefined);
    };
    await pod("a", { concurrency: 2, methods: { who: { idempotent: true, handler } } });
    list("a");
    await available(1);
    const call = client.call("who", 1);
    await clock.advance(100);
    expect(await call).toBe("at last");
    expect(client.counters.available).toBe(1);
  });

  test("are as many as the caller says", async () => {
    const { client, clock, began, slow } = await slowAndQuick();
    const call = client.call("who", 1, { retry: { attempts: 1 } }).catch((error: unknown) => error);
    await expect.poll(() => began).toEqual([1]);
    slow.router.kill();
    await clock.advance(10);
    expect(await call).toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
  });
});

describe("a call that brings down its pods", () => {
  async function crashing(count: number) {
    const here = world();
    const handler = (body: unknown): string => {
      if (body === "poison") throw new Error("bug");
      return "well";
    };
    const names = Array.from({ length: count }, (_, index) => `p${index}`);
    const start = (name: string): ReturnType<typeof here.pod> =>
      here.pod(name, { methods: { who: { handler, idempotent: true } } });
    const pods = await Promise.all(names.map(start));
    here.list(...names);
    await here.available(count);
    return { ...here, crashed: () => pods.filter(({ crashes }) => crashes.length > 0).length };
  }

  test("stops after two, and says so; the others live", async () => {
    const { client, clock, crashed } = await crashing(5);
    const call = client.call("who", "poison").catch((error: unknown) => error);
    await clock.advance(1000);
    expect(await call).toMatchObject({
      code: "ABORTED",
      fate: "maybe-executed",
      message: expect.stringMatching(/pods ended again and again while they had this call of who.*crashed the service/),
      details: { attempts: 2, crashes: 2 },
    });
    expect(crashed()).toBe(2);
    expect(await client.call("who", "harmless")).toBe("well");
  });

  test("or after as many as its caller says", async () => {
    const { client, clock, crashed } = await crashing(5);
    const call = client.call("who", "poison", { retry: { crashes: 3 } }).catch((error: unknown) => error);
    await clock.advance(1000);
    expect(await call).toMatchObject({ code: "ABORTED" });
    expect(crashed()).toBe(3);
  });

  test("without a word from them counts half: four deaths", async () => {
    const { client, pod, list, available, clock } = world();
    const began: unknown[] = [];
    const call = client.call("who", 1).catch((error: unknown) => error);
    for (let death = 1; death <= 4; death++) {
      const { router } = await pod("a", hanging(began, { idempotent: true }));
      if (death === 1) list("a");
      await available(1);
      await clock.advance(600);
      expect(began).toHaveLength(death);
      router.kill();
      await clock.advance(10);
    }
    expect(await call).toMatchObject({ code: "ABORTED", details: { attempts: 4, crashes: 2 } });
  });
});

describe("a fallback", () => {
  test("stands in for an answer that did not come: a value, or what a function makes of the error", async () => {
    const { client, clock } = world({ methods: { who: { fallback: "nobody", deadlineMs: 50 } } });
    const codeOf = (error: ServiceError): string => error.code;
    const calls = [
      client.call("who", 1),
      client.call("who", 1, { fallback: codeOf }),
      client.call("who", 1, { fallback: () => Promise.resolve("later") }),
    ];
    const throws = client
      .call("who", 1, {
        fallback: () => {
          throw new Error("not that either");
        },
      })
      .catch((error: unknown) => error);
    await clock.advance(60);
    expect(await Promise.all(calls)).toEqual(["nobody", "UNAVAILABLE", "later"]);
    expect(await throws).toMatchObject({ message: "not that either" });
    expect(client.counters).toMatchObject({ failed: 4, fallbacks: 4, succeeded: 0 });
  });

  test("never for an answer, and not when the caller ended the call", async () => {
    const { client, pod, list, available } = world();
    const soldOut = (): never => {
      throw new ServiceError("SOLD_OUT", "nothing left");
    };
    await pod("a", { methods: { who: soldOut } });
    list("a");
    await available(1);
    await expect(client.call("who", 1, { fallback: "x" })).rejects.toMatchObject({ code: "SOLD_OUT" });
    const options = { fallback: "x", signal: AbortSignal.abort() };
    await expect(client.call("who", 1, options)).rejects.toMatchObject({ code: "CANCELLED" });
  });
});

test.each([
  { retry: { attempts: 0 } },
  { retry: { attemptTimeoutMs: -1 } },
  { retry: { crashes: Number.NaN } },
  { hedge: { afterPercentile: 101 } },
  { hedge: { afterMs: 5, max: 6 } },
  { deadlineMs: Number.NaN },
])("a call or client with %j is refused with the option's name", async (options) => {
  expect(() => world(options)).toThrow(expect.objectContaining({ code: "SERVICE_OPTION_INVALID" }));
  const { client } = world();
  await expect(client.call("who", 1, options)).rejects.toMatchObject({ code: "SERVICE_OPTION_INVALID" });
});
