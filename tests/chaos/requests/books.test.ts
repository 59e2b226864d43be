// The books of the chaos run find lost, doubled and wrong answers: if they did not, a clean run would say nothing.
import { describe, expect, test } from "vitest";
import { audit, isClean, summary } from "./books.ts";
import type { Executed, Severity, Told } from "./types.ts";

const call = (fields: Partial<Told>): Told => ({
  id: "a",
  kind: "plain",
  outcome: "answered",
  atMs: 100,
  ms: 1,
  ...fields,
});
const failed = (code: string, fate: NonNullable<Told["fate"]>, kind: Told["kind"] = "plain"): Told =>
  call({ kind, outcome: "failed", code, fate });

function verdict(told: Told, executed: Executed | undefined, severity: Severity = "planned", effects = 0) {
  const executions = new Map(executed === undefined ? [] : [["a", executed]]);
  const before = { severity: "stall", fromMs: 0, toMs: 99 } as const;
  const episodes = [before, { severity, fromMs: 50, toMs: 200 }];
  const dead = { key: "a", reason: "it is a dead letter, INVALID: no" };
  const leftovers = { queued: 0, dead: told.kind === "durable" && effects === 0 ? [dead] : [], drainMs: 0 };
  return audit([told], executions, new Map([["a", effects]]), episodes, leftovers);
}

const once = { began: 1, ended: 1 };

describe("the books are clean", () => {
  test.each([
    ["a call that was answered and executed once", call({}), once, "planned", 0],
    [
      "a keyed call that was begun twice and had one effect",
      call({ kind: "keyed" }),
      { began: 2, ended: 1 },
      "death",
      1,
    ],
    [
      "a durable call that was begun twice and had one effect",
      call({ kind: "durable" }),
      { began: 2, ended: 1 },
      "death",
      1,
    ],
    ["a durable call that was maybe stored, and was", failed("ABORTED", "maybe-executed", "durable"), once, "stall", 1],
    ["a repeatable call that ran twice", call({ kind: "repeatable" }), { began: 2, ended: 2 }, "death", 0],
    ["a plain call that died with its pod", failed("ABORTED", "maybe-executed"), { began: 1, ended: 0 }, "death", 0],
    ["a call that found no room", failed("BUSY", "not-started"), undefined, "stall", 0],
  ] as const)("with %s", (_name, told, executed, severity, effects) => {
    expect(isClean(verdict(told, executed, severity, effects))).toBe(true);
  });
});

describe("the books tell", () => {
  test.each([
    ["lost", "a call that nobody settled", call({ outcome: "unsettled" }), once, "stall", 0],
    ["lost", "a call that failed where nothing may", failed("ABORTED", "maybe-executed"), once, "planned", 0],
    [
      "lost",
      "a repeatable call that a death failed",
      failed("ABORTED", "maybe-executed", "repeatable"),
      once,
      "death",
      0,
    ],
    ["twice", "a plain call that was begun twice", call({}), { began: 2, ended: 2 }, "death", 0],
    ["twice", "a keyed call with two effects", call({ kind: "keyed" }), { began: 2, ended: 2 }, "death", 2],
    ["twice", "a durable call with two effects", call({ kind: "durable" }), { began: 2, ended: 2 }, "death", 2],
    ["lost", "a durable call that was stored and had no effect", call({ kind: "durable" }), undefined, "death", 0],
    [
      "lost",
      "a durable call that a pod's death failed",
      failed("ABORTED", "maybe-executed", "durable"),
      once,
      "death",
      1,
    ],
    ["untrue", "an answer without an execution", call({}), undefined, "planned", 0],
    ["untrue", "an answer of another call", call({ outcome: "wrong-answer" }), once, "planned", 0],
    ["untrue", "a call told as not started that was begun", failed("BUSY", "not-started"), once, "stall", 0],
  ] as const)("as %s: %s", (what, _name, told, executed, severity, effects) => {
    const result = verdict(told, executed, severity, effects);
    expect(result[what]).toBe(1);
    expect(isClean(result)).toBe(false);
    expect(result.findings).toHaveLength(1);
  });

  test("in one line, with every kind of failure", () => {
    const line = summary(verdict(failed("BUSY", "not-started"), undefined, "stall"));
    expect(line).toMatch(/^1 calls, 0 answered, 1 failed with a definite error: 1 plain BUSY \(not-started\); 0 lost,/);
  });

  test("as not clean when there were no calls at all", () => {
    expect(isClean(audit([], new Map(), new Map(), [], { queued: 0, dead: [], drainMs: 0 }))).toBe(false);
  });
});
