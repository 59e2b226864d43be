// The client against services in memory and in virtual time: which pod gets a call, and what becomes of calls whose pod leaves, dies, is
// full or is another's.
import { VirtualClock } from "@wherry/core/testing";
import { describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { connect } from "./connect.ts";
import { hanging, noting, world } from "./world.suite.ts";

describe("balancing", () => {
  test("spreads calls over the pods that are ready, and follows the list", async () => {
    const { client, pod, list, available } = world();
    const ran: string[] = [];
    for (const name of ["a", "b", "c"]) await pod(name, noting(ran, name));
    list("a", "b", "c");
    await available(3);
    const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => client.call("who", index)));
    for (const name of ["a", "b", "c"]) expect(answers.filter((who) => who === name).length).toBeGreaterThan(10);
    list("b");
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => client.call("who", 1))))).toEqual(new Set(["b"]));
  });

  test("uses pods that only serve when none is ready", async () => {
    const { client, pod, list, available } = world();
    for (const name of ["a", "b"]) await pod(name, noting([], name));
    list({ name: "a", ready: false }, { name: "b", ready: false, serving: false });
    await available(2);
    expect(new Set(await Promise.all(Array.from({ length: 8 }, () => client.call("who", 1))))).toEqual(new Set(["a"]));
  });

  test("never has more outstanding at a pod than its credit; the rest waits here and can go elsewhere", async () => {
    const { client, pod, list, available } = world();
    const began: unknown[] = [];
    const { server } = await pod("a", hanging(began));
    list("a");
    await available(1);
    const calls = Array.from({ length: 50 }, (_, index) => client.call("who", index));
    await expect.poll(() => [...server.sessions.values()][0]?.open.size).toBe(16);
    await pod("b", noting([], "b"));
    list("a", "b");
    expect(new Set(await Promise.all(calls.slice(16)))).toEqual(new Set(["b"]));
    for (const call of calls) call.catch(() => undefined);
  });

  test("an address that another pod took over is not used", async () => {
    const { client, pod, list, clock } = world();
    await pod("a", noting([], "a"), "uid-new");
    list({ name: "a", pod: "uid-old" });
    const call = client.call("who", 1, { deadlineMs: 100 }).catch((error: unknown) => error);
    await clock.advance(200);
    expect(await call).toMatchObject({ code: "UNAVAILABLE", fate: "not-started" });
  });
});

describe("a pod that leaves", () => {
  test("after GOAWAY nothing new goes there, what is outstanding is answered, and the server can end", async () => {
    const { client, pod, list, available, clock } = world();
    let finish: (value: string) => void = () => undefined;
    const slow = (body: unknown): unknown => (body === "slow" ? new Promise((resolve) => (finish = resolve)) : "a");
    const { server } = await pod("a", { methods: { who: slow }, concurrency: 2 });
    list("a");
    await available(1);
    const outstanding = client.call("who", "slow");
    await expect.poll(() => server.executor.running).toBe(1);
    await pod("b", noting([], "b"));
    list("a", "b");
    await available(2);
    const drained = server.drain({ timeoutMs: 5000, minimumMs: 0 });
    await available(1);
    expect(new Set(await Promise.all(Array.from({ length: 8 }, () => client.call("who", 1))))).toEqual(new Set(["b"]));
    finish("at last");
    expect(await outstanding).toBe("at last");
    await clock.advance(50);
    expect(await drained).toMatchObject({ reason: "drained", refused: 0, aborted: 0 });
  });

  test("that vanishes from the list keeps its connection until the last reply", async () => {
    const { client, pod, list, available } = world();
    let finish: (value: string) => void = () => undefined;
    const { server } = await pod("a", { methods: { who: () => new Promise<string>((resolve) => (finish = resolve)) } });
    list("a");
    await available(1);
    const outstanding = client.call("who", 1);
    await expect.poll(() => server.executor.running).toBe(1);
    list();
    finish("not lost");
    expect(await outstanding).toBe("not lost");
    await expect.poll(() => server.sessions.size).toBe(0);
  });

  test("and comes back at the same address is used again", async () => {
    const { client, pod, list, available, clock } = world();
    const first = await pod("a", noting([], "first"));
    list("a");
    await available(1);
    const drained = first.server.drain({ timeoutMs: 5000, minimumMs: 0 });
    await clock.advance(100);
    await drained;
    const waiting = client.call("who", 1);
    await pod("a", noting([], "second"));
    expect(await waiting).toBe("second");
  });
});

describe("what is not started is sent elsewhere, what may be executed only if that is safe", () => {
  test("requests that a crashing pod hands back are answered by another; the one that ran fails as ABORTED", async () => {
    const { client, pod, list, available } = world();
    const ran: string[] = [];
    let crash: (error: Error) => void = () => undefined;
    const dying = (body: unknown): Promise<string> => {
      ran.push(`a:${String(body)}`);
      return new Promise((_, reject) => (crash = reject));
    };
    const { crashes } = await pod("a", { methods: { who: dying } });
    list("a");
    await available(1);
    const calls = Array.from({ length: 6 }, (_, index) => client.call("who", index).catch((error: unknown) => error));
    await expect.poll(() => ran).toEqual(["a:0"]);
    await pod("b", noting(ran, "b"));
    list("a", "b");
    await available(2);
    crash(new Error("bug"));
    const [first, ...rest] = await Promise.all(calls);
    expect(first).toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
    expect(rest).toEqual(["b", "b", "b", "b", "b"]);
    expect(ran.toSorted()).toEqual(["a:0", "b:1", "b:2", "b:3", "b:4", "b:5"]);
    expect(crashes).toMatchObject([{ refused: 5, aborted: 1 }]);
  });

  test.each([
    { promise: "nothing", method: {}, options: {}, repeated: false },
    { promise: "idempotent by the service", method: { idempotent: true }, options: {}, repeated: true },
    { promise: "idempotent by the caller", method: {}, options: { idempotent: true }, repeated: true },
    { promise: "a key that the method honours", method: { keyed: true }, options: { key: "k" }, repeated: true },
    { promise: "a key that the method ignores", method: {}, options: { key: "k" }, repeated: false },
  ])("a killed pod's request is repeated elsewhere: $promise → $repeated", async ({ method, options, repeated }) => {
    const { client, pod, list, available, clock } = world();
    const began: unknown[] = [];
    const { router } = await pod("a", hanging(began, method));
    list("a");
    await available(1);
    const call = client.call("who", 1, options).catch((error: unknown) => error);
    await expect.poll(() => began).toEqual([1]);
    await pod("b", noting([], "b"));
    list("a", "b");
    await available(2);
    router.kill();
    await clock.advance(100);
    if (repeated) expect(await call).toBe("b");
    else expect(await call).toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
  });

  test("a repeated call that finds no second pod stays maybe executed", async () => {
    const { client, pod, list, available, clock } = world();
    const began: unknown[] = [];
    const { router } = await pod("a", hanging(began, { idempotent: true }));
    list("a");
    await available(1);
    const call = client.call("who", 1).catch((error: unknown) => error);
    await expect.poll(() => began).toEqual([1]);
    router.kill();
    await clock.advance(6000);
    expect(await call).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      fate: "maybe-executed",
      details: { lastCode: "ABORTED" },
    });
  });

  test("BUSY is tried elsewhere at once, and at the only pod when its time has come", async () => {
    const { client, pod, list, available, clock } = world();
    let release: (value: string) => void = () => undefined;
    const wait = (): Promise<string> => new Promise((resolve) => (release = resolve));
    await pod("a", { methods: { who: wait }, queueMax: 1 });
    list("a");
    await available(1);
    const calls = [1, 2, 3].map((body) => client.call("who", body));
    await expect.poll(() => client.counters.retries + client.counters.succeeded).toBe(0);
    for (let round = 0; round < 3; round++) {
      await clock.advance(600);
      release("done");
    }
    await clock.advance(600);
    release("done");
    expect(await Promise.all(calls)).toEqual(["done", "done", "done"]);
  });

  test("a method's own error is never retried", async () => {
    const { client, pod, list, available } = world();
    const ran: unknown[] = [];
    const fail = (body: unknown): never => {
      ran.push(body);
      throw new ServiceError("SOLD_OUT", "nothing left", { retryable: true, details: { left: 0 } });
    };
    await pod("a", { methods: { who: { handler: fail, idempotent: true } } });
    list("a");
    await available(1);
    await expect(client.call("who", 1)).rejects.toMatchObject({
      code: "SOLD_OUT",
      message: "nothing left",
      retryable: true,
      details: { left: 0 },
    });
    expect(ran).toEqual([1]);
  });
});

describe("deadline and cancellation", () => {
  test("a call without options has a deadline; the service is told to stop", async () => {
    const { client, pod, list, available, clock } = world();
    const reasons: unknown[] = [];
    await pod("a", {
      methods: {
        who: (_body: unknown, { signal, remainingMs }) => {
          reasons.push(remainingMs);
          signal.addEventListener("abort", () => reasons.push("aborted"));
          return new Promise<string>(() => undefined);
        },
      },
    });
    list("a");
    await available(1);
    const call = client.call("who", 1).catch((error: unknown) => error);
    await expect.poll(() => reasons).toEqual([5000]);
    await clock.advance(5001);
    expect(await call).toMatchObject({ code: "DEADLINE_EXCEEDED", fate: "maybe-executed", details: { attempts: 1 } });
    await expect.poll(() => reasons).toEqual([5000, "aborted"]);
  });

  test("a client that is written as JSON, logged, awaited or frozen calls nobody, and goes on", async () => {
    const client = connect("echo", { endpoints: ["tcp://127.0.0.1:1"], deadlineMs: 50 });
    expect(JSON.stringify({ client })).toBe('{"client":{}}');
    expect(await Promise.resolve(client)).toBe(client);
    expect(client.counters.calls).toBe(0);
    Object.freeze(client);
    await expect(client.call("echo")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect((client as Record<string, () => Promise<unknown>>)["other"]?.()).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
    await client.close();
  });

  test("with no endpoint a call waits for one, then says what is missing", async () => {
    const { client, pod, list, clock } = world();
    const early = client.call("who", 1);
    await pod("a", noting([], "a"));
    list("a");
    expect(await early).toBe("a");
    list();
    const late = client.call("who", 1, { deadlineMs: 50 }).catch((error: unknown) => error);
    await clock.advance(60);
    expect(await late).toMatchObject({ code: "UNAVAILABLE", message: expect.stringMatching(/no endpoint is known/) });
  });

  test("with an endpoint where nobody listens, a call says the address, and what the last try met", async () => {
    const { client, list, clock, network } = world();
    list("a");
    const late = client.call("who", 1, { deadlineMs: 50 }).catch((error: unknown) => error);
    for (const dealer of network.dealers) dealer.listeners.retry?.("tcp://a", 10, "connect ECONNREFUSED a");
    await clock.advance(60);
    expect(await late).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(/the only known endpoint is not connected; tcp:\/\/a: connect ECONNREFUSED a$/),
    });
  });

  test("an abort cancels the call here and there", async () => {
    const { client, pod, list, available } = world();
    const seen: string[] = [];
    await pod("a", {
      methods: {
        who: (_body: unknown, { signal }) => {
          signal.addEventListener("abort", () => seen.push("aborted"));
          seen.push("began");
          return new Promise<string>(() => undefined);
        },
      },
    });
    list("a");
    await available(1);
    const abort = new AbortController();
    const call = client.call("who", 1, { signal: abort.signal }).catch((error: unknown) => error);
    await expect.poll(() => seen).toEqual(["began"]);
    const reason = new Error("enough");
    abort.abort(reason);
    expect(await call).toMatchObject({ code: "CANCELLED", cause: reason, fate: "maybe-executed" });
    await expect.poll(() => seen).toEqual(["began", "aborted"]);
    await expect(client.call("who", 1, { signal: abort.signal })).rejects.toMatchObject({ code: "CANCELLED" });
  });

  test("a closed client fails what it holds, and what comes later", async () => {
    const { client } = world();
    const held = client.call("who", 1).catch((error: unknown) => error);
    await client.close();
    expect(await held).toMatchObject({ code: "CLOSED" });
    await expect(client.call("who", 1)).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("a frozen pod is no longer chosen when another answers", async () => {
    const { client, pod, list, available, clock } = world();
    const { router } = await pod("a", noting([], "a"));
    await pod("b", noting([], "b"));
    list("a", "b");
    await available(2);
    router.freeze();
    await clock.advance(5000);
    expect(new Set(await Promise.all(Array.from({ length: 10 }, () => client.call("who", 1))))).toEqual(new Set(["b"]));
    router.thaw();
    await clock.advance(5000);
    const after = await Promise.all(Array.from({ length: 40 }, () => client.call("who", 1)));
    expect(new Set(after)).toEqual(new Set(["a", "b"]));
  });
});

describe("a client that cannot find out its endpoints", () => {
  test("fails calls at once when only a person can mend it, and works when somebody did", async () => {
    const { client, pod, list, problem, available } = world();
    const before = client.call("who", 1).catch((error: unknown) => error);
    problem(true);
    const told = { code: "UNAVAILABLE", fate: "not-started", message: expect.stringContaining("no cluster here") };
    expect(await before).toMatchObject(told);
    await expect(client.call("who", 2)).rejects.toMatchObject(told);
    await pod("a", noting([], "a"));
    list("a");
    await available(1);
    problem(true);
    expect(await client.call("who", 3)).toBe("a");
  });

  test("and one that was given none fails them at once, and says so", async () => {
    // A clock that nobody advances: what waits, waits for ever.
    await using client = connect("shop", { endpoints: [], clock: new VirtualClock() });
    await expect(client.call("who", 1)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      fate: "not-started",
      message: expect.stringContaining("endpoints: expected at least one, got an empty list"),
    });
  });

  test("waits within the deadline for what may pass, and says then what was wrong", async () => {
    const { client, clock, problem } = world();
    problem(false);
    const call = client.call("who", 1).catch((error: unknown) => error);
    await clock.advance(5000);
    expect(await call).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(
        /within 5000 ms; no endpoint is known, for they can't be found out: no cluster here/,
      ),
    });
  });
});
