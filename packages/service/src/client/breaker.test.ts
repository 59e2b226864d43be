// A circuit breaker opens, tries and closes as its options say: alone, and in a client whose pods are gone.
import { describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { Breaker } from "./breaker.ts";
import { hanging, world } from "./world.suite.ts";

const lost = new ServiceError("ABORTED", "lost", { fate: "maybe-executed" });

function breaker(): { pass: (nowMs: number, error?: ServiceError) => string; state: () => string } {
  const it = new Breaker({ failureShare: 0.5, callsMin: 4, windowMs: 1000, openMs: 500 });
  return {
    state: () => it.state,
    pass: (nowMs, error) => {
      const admission = it.admit("buy", nowMs);
      if (admission instanceof ServiceError) return admission.code;
      it.ended(admission, error, nowMs);
      return admission;
    },
  };
}

describe("a circuit", () => {
  test("opens at its share of failures, lets one call try after a while, and closes when that is answered", () => {
    const { pass, state } = breaker();
    for (const error of [undefined, lost, undefined]) expect(pass(0, error)).toBe("usual");
    expect(state()).toBe("closed");
    pass(0, lost);
    expect(state()).toBe("open");
    expect(pass(499)).toBe("CIRCUIT_OPEN");
    expect(pass(500, lost)).toBe("probe");
    expect(pass(999)).toBe("CIRCUIT_OPEN");
    expect(pass(1000, new ServiceError("SOLD_OUT", "an answer"))).toBe("probe");
    expect(state()).toBe("closed");
    expect(pass(1000, lost)).toBe("usual");
    expect(state()).toBe("closed");
  });

  test("lets one call through at a time; one that says nothing makes place for the next", () => {
    const it = new Breaker({ failureShare: 0.5, callsMin: 1, openMs: 500 });
    it.ended("usual", lost, 0);
    expect(it.admit("buy", 600)).toBe("probe");
    expect(it.admit("buy", 600)).toMatchObject({ code: "CIRCUIT_OPEN", fate: "not-started", retryable: true });
    // What was on its way before says nothing about now.
    it.ended("usual", undefined, 650);
    expect(it.state).toBe("half-open");
    it.ended("probe", new ServiceError("CANCELLED", "", { fate: "maybe-executed" }), 700);
    expect(it.admit("buy", 700)).toBe("probe");
  });

  test("forgets what is older than its window, and never counts answers as failures", () => {
    const { pass, state } = breaker();
    for (let index = 0; index < 3; index++) pass(0, lost);
    for (const nowMs of [1500, 1500, 1500]) pass(nowMs, new ServiceError("DEADLINE_EXCEEDED", "the method's own"));
    pass(1500, lost);
    expect(state()).toBe("closed");
    pass(1500, lost);
    pass(1500, lost);
    expect(state()).toBe("open");
  });
});

test("calls of a method whose pods are gone fail at once, others' are tried; it recovers", async () => {
  const { client, pod, list, available, clock } = world({
    deadlineMs: 100,
    methods: { who: { breaker: { callsMin: 5, openMs: 1000 } } },
  });
  const began: unknown[] = [];
  let hangs = true;
  await pod("a", {
    concurrency: 50,
    methods: { who: (body) => (hangs ? hanging(began).methods.who.handler(body) : "well"), other: () => "other" },
  });
  list("a");
  await available(1);
  const outcomes = Array.from({ length: 5 }, () => client.call("who", 1).catch((error: unknown) => error));
  await clock.advance(200);
  expect(await Promise.all(outcomes)).toMatchObject(Array(5).fill({ code: "DEADLINE_EXCEEDED" }));
  await expect(client.call("who", 1)).rejects.toMatchObject({ code: "CIRCUIT_OPEN", fate: "not-started" });
  expect(await client.call("other", 1)).toBe("other");
  expect(client.counters).toMatchObject({ rejected: 1, circuits: { who: "open" } });
  hangs = false;
  await clock.advance(1000);
  expect(await client.call("who", 1)).toBe("well");
  expect(client.counters.circuits).toEqual({ who: "closed" });
});
