// Who gets a call: by policy, by affinity, by name.
import { describe, expect, test } from "vitest";
import { hanging, noting, world } from "./world.suite.ts";

/** Three pods that answer with their names, and a client of them. */
async function three(options: Parameters<typeof world>[0] = {}) {
  const here = world(options);
  for (const name of ["a", "b", "c"]) await here.pod(name, noting([], name), `uid-${name}`);
  here.list(...["a", "b", "c"].map((name) => ({ name, pod: `uid-${name}` })));
  await here.available(3);
  const ask = (count: number, call: object = {}): Promise<unknown[]> =>
    Promise.all(Array.from({ length: count }, () => here.client.call("who", 1, call)));
  return { ...here, ask };
}

describe("policies", () => {
  test("round-robin goes through the pods in turn", async () => {
    const { ask } = await three({ balance: "round-robin" });
    const answers = await ask(30);
    for (const name of ["a", "b", "c"]) expect(answers.filter((who) => who === name)).toHaveLength(10);
  });

  test("random goes to all of them", async () => {
    const { ask } = await three({ balance: "random" });
    const answers = await ask(40);
    for (const name of ["a", "b", "c"]) expect(answers.filter((who) => who === name).length).toBeGreaterThan(5);
  });

  test("latency prefers the pod that answers sooner, and finds out when that changes", async () => {
    const { client, pod, list, available, clock } = world({ balance: "latency" });
    const pauseMs = { a: 5, b: 100 };
    for (const name of ["a", "b"] as const) {
      const handler = async (): Promise<string> => {
        await clock.sleep(pauseMs[name]);
        return name;
      };
      await pod(name, { methods: { who: handler } });
    }
    list("a", "b");
    await available(2);
    const answers: unknown[] = [];
    const round = async (): Promise<void> => {
      for (let turn = 0; turn < 20; turn++) {
        const call = client.call("who", 1);
        await clock.advance(110);
        answers.push(await call);
      }
    };
    await round();
    expect(answers.filter((who) => who === "a").length).toBeGreaterThan(17);
    [pauseMs.a, pauseMs.b] = [100, 5];
    answers.length = 0;
    await clock.advance(20_000);
    await round();
    await round();
    expect(answers.slice(-10).filter((who) => who === "b").length).toBeGreaterThan(7);
  });

  test.each(["least-outstanding", "latency", "round-robin", "random"] as const)(
    "%s keeps within every pod's credit, and what waits is answered",
    async (balance) => {
      const { ask } = await three({ balance });
      expect(await ask(200)).toHaveLength(200);
    },
  );
});

describe("affinity", () => {
  test("equal keys go to the same pod, different ones to all, and only a leaving pod's keys move", async () => {
    const { client, list } = await three();
    const keys = Array.from({ length: 60 }, (_, index) => `customer-${index}`);
    const owners = async (): Promise<unknown[]> =>
      Promise.all(keys.map((affinity) => client.call("who", 1, { affinity })));
    const first = await owners();
    expect(await owners()).toEqual(first);
    for (const name of ["a", "b", "c"]) expect(first.filter((who) => who === name).length).toBeGreaterThan(8);
    list({ name: "a", pod: "uid-a" }, { name: "c", pod: "uid-c" });
    const second = await owners();
    expect(second.filter((who, index) => first[index] !== "b" && who !== first[index])).toEqual([]);
    expect(new Set(second)).toEqual(new Set(["a", "c"]));
  });

  test("calls wait for their busy pod, and hold up nobody else; they move when it dies", async () => {
    const { client, pod, list, available, clock } = world();
    const began: Record<string, unknown[]> = { a: [], b: [] };
    const pods = { a: await pod("a", hanging(began["a"] ?? [])), b: await pod("b", hanging(began["b"] ?? [])) };
    list("a", "b");
    await available(2);
    const calls = Array.from({ length: 20 }, (_, index) => client.call("who", index, { affinity: "x" }));
    for (const call of calls) call.catch(() => undefined);
    await expect.poll(() => client.counters.waiting).toBe(4);
    const [owner, other] = pods.a.server.executor.running > 0 ? (["a", "b"] as const) : (["b", "a"] as const);
    client.call("who", "free").catch(() => undefined);
    await expect.poll(() => began[other]).toEqual(["free"]);
    pods[owner].router.kill();
    await clock.advance(10);
    // Of the waiting ones none had started: all are at the other pod now.
    expect(client.counters.waiting).toBe(0);
    await expect.poll(() => [...pods[other].server.sessions.values()][0]?.open.size).toBe(5);
  });
});

describe("one instance", () => {
  test.each(["pod-b", "uid-b", "tcp://b", "b"])("%s is that one and no other", async (to) => {
    const { list, ask } = await three();
    list({ name: "a", pod: "uid-a" }, { name: "pod-b", address: "tcp://b", pod: "uid-b" });
    expect(new Set(await ask(10, { to }))).toEqual(new Set(["b"]));
  });

  test("that is not there, or leaves, is UNAVAILABLE, though others are there", async () => {
    const { client, pods } = await withLeaving();
    await expect(client.call("who", 1, { to: "nobody" })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      fate: "not-started",
      details: { to: "nobody" },
    });
    void pods.drain({ timeoutMs: 1000, minimumMs: 500 });
    await expect.poll(() => client.counters.available).toBe(1);
    await expect(client.call("who", 1, { to: "tcp://a" })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(/is leaving/),
    });
    expect(await client.call("who", 1)).toBe("b");
  });

  test("is waited for while nothing is known, and while it connects", async () => {
    const { client, pod, list } = world();
    const call = client.call("who", 1, { to: "tcp://a" });
    list("a");
    await pod("a", noting([], "a"));
    expect(await call).toBe("a");
  });

  test("is found outside the subset, too, and let go of when nobody wants it", async () => {
    const { client, pod, list, available, clock } = world({ subset: 1 });
    const names = Array.from({ length: 100 }, (_, index) => `p${index}`);
    for (const name of names) await pod(name, noting([], name));
    list(...names);
    await available(1);
    expect(await Promise.all(names.slice(0, 5).map((name) => client.call("who", 1, { to: `tcp://${name}` })))).toEqual(
      names.slice(0, 5),
    );
    // Its own one and those five.
    expect(client.counters).toMatchObject({ known: 100, available: 6 });
    const answers = await Promise.all(Array.from({ length: 10 }, () => client.call("who", 1)));
    expect(new Set(answers).size).toBe(1);
    await clock.advance(65_000);
    expect(client.counters.endpoints).toBe(1);
  });

  async function withLeaving() {
    const here = world();
    const { server } = await here.pod("a", noting([], "a"));
    await here.pod("b", noting([], "b"));
    here.list("a", "b");
    await here.available(2);
    return { ...here, pods: server };
  }
});

test("a call that waits for its one instance wakes nobody in the meantime", async () => {
  const { client, list, clock } = world();
  list("a");
  const call = client.call("who", 1, { to: "tcp://a" }).catch((error: unknown) => error);
  // Past the time that fresh endpoints get: it was once looked at again without a pause from here on.
  await clock.advance(1000);
  const before = clock.pendingTimers;
  await clock.advance(3900);
  expect(clock.pendingTimers).toBeLessThanOrEqual(before);
  await clock.advance(200);
  expect(await call).toMatchObject({ code: "UNAVAILABLE", message: expect.stringMatching(/for tcp:\/\/a alone/) });
});

describe("a new client right after a rollout", () => {
  test("waits for a ready pod that it is connecting, instead of using one that leaves", async () => {
    const { client, pod, list, available, clock } = world();
    await pod("old", noting([], "old"));
    list({ name: "old", ready: false }, "new");
    await available(1);
    const call = client.call("who", 1);
    await clock.advance(100);
    await pod("new", noting([], "new"));
    expect(await call).toBe("new");
  });

  test("but not for long: one that still serves takes the call", async () => {
    const { client, pod, list, available, clock } = world();
    await pod("old", noting([], "old"));
    list({ name: "old", ready: false }, "new");
    await available(1);
    const call = client.call("who", 1);
    await clock.advance(250);
    expect(await call).toBe("old");
  });
});
