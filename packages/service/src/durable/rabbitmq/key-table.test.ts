// Who of those that publish with one key may store: a pure table, read by all from the same log, however they interleave.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type KeyRecord, KeyTable, type Verdict } from "./key-table.ts";

const options = { windowMs: 1000, claimMs: 100, keysMax: 100 };

function table(more: Partial<typeof options> = {}) {
  const told = new Map<string, string>();
  const made = new KeyTable({ ...options, ...more }, (id, verdict: Verdict) =>
    told.set(id, verdict.state === "first" ? "first" : `duplicate of ${verdict.of}`),
  );
  const apply = (what: KeyRecord["what"], id: string, atMs = 0, key = "k"): void => made.apply({ what, key, id, atMs });
  return { made, told, apply };
}

describe("of the claims of one key", () => {
  test("the first may store; the others wait for it, and are duplicates", () => {
    const { told, apply } = table();
    for (const id of ["a", "b"]) apply("claim", id);
    expect([...told]).toEqual([["a", "first"]]);
    apply("stored", "a");
    apply("claim", "c", 999);
    expect(told.get("b")).toBe("duplicate of a");
    expect(told.get("c")).toBe("duplicate of a");
    apply("claim", "d", 1000);
    expect(told.get("d")).toBe("first");
  });

  test("one that is written again changes nothing, wherever it stands", () => {
    const { told, apply } = table();
    for (const id of ["a", "b", "a", "b"]) apply("claim", id);
    apply("stored", "a");
    apply("claim", "a", 5000);
    expect([...told]).toEqual([
      ["a", "first"],
      ["b", "duplicate of a"],
    ]);
    apply("claim", "c", 5000);
    expect(told.get("c")).toBe("first");
  });

  test("the next in line is the first when that gave up, and none when all did", () => {
    const { made, told, apply } = table();
    for (const id of ["a", "b", "c"]) apply("claim", id);
    apply("dropped", "b");
    apply("dropped", "a");
    expect(told.get("c")).toBe("first");
    apply("dropped", "c");
    expect(made.size).toBe(0);
  });

  test("the next is the first when the last one's owner has said nothing for too long", () => {
    const { told, apply } = table();
    apply("claim", "a");
    apply("claim", "b", 99);
    apply("claim", "c", 100);
    expect([...told]).toEqual([
      ["a", "first"],
      ["c", "first"],
    ]);
    // Too late: it is another's now.
    apply("stored", "a");
    apply("claim", "d", 150);
    apply("stored", "c");
    expect(told.get("d")).toBe("duplicate of c");
  });
});

test("no more keys are kept than the window has, nor than the limit says", () => {
  const { made, apply } = table({ keysMax: 3 });
  for (let at = 0; at < 10; at++) apply("claim", `i${at}`, at, `k${at}`);
  expect(made.size).toBe(3);
  apply("claim", "later", 5000, "later");
  expect(made.size).toBe(1);
});

test("whatever publishers do, a key is stored once, and everyone who reads the log is told the same", () => {
  const step = fc.record({ who: fc.nat(5), key: fc.constantFrom("x", "y"), gives: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const log: KeyRecord[] = [];
      const one = table();
      const stored: string[] = [];
      const open = new Map<number, { id: string; key: string }>();
      const write = (what: KeyRecord["what"], { id, key }: { id: string; key: string }): void => {
        log.push({ what, id, key, atMs: 0 });
        one.apply(what, id, 0, key);
      };
      for (const [index, { who, key, gives }] of steps.entries()) {
        const mine = open.get(who);
        if (mine === undefined) {
          const claim = { id: `${index}`, key };
          open.set(who, claim);
          write("claim", claim);
          continue;
        }
        const verdict = one.told.get(mine.id);
        if (verdict === undefined && !gives) continue;
        if (verdict === "first" && !gives) {
          stored.push(mine.key);
          write("stored", mine);
        } else if (verdict === undefined || verdict === "first") write("dropped", mine);
        open.delete(who);
      }
      expect(new Set(stored).size).toBe(stored.length);
      const other = table();
      for (const { what, id, key } of log) other.apply(what, id, 0, key);
      expect([...other.told]).toEqual([...one.told]);
    }),
  );
});
