// The work queue: each key once, never with two workers, none lost, in virtual time.
import { VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyBackoffMs, keyBackoffMsMax } from "./limits.ts";
import { createWorkQueue } from "./work-queue.ts";

const never = new AbortController().signal;

describe("a work queue", () => {
  test("gives keys in the order of their adding, each once however often it was added", async () => {
    const queue = createWorkQueue({ clock: new VirtualClock() });
    for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
    expect(queue.length).toBe(3);
    expect([await queue.take(never), await queue.take(never), await queue.take(never)]).toEqual(["a", "b", "c"]);
  });

  test("hands a key out again, when it was added while it was being processed, but only after that", async () => {
    const queue = createWorkQueue({ clock: new VirtualClock() });
    queue.add("a");
    expect(await queue.take(never)).toBe("a");
    queue.add("a");
    queue.add("a");
    expect(queue.length).toBe(0);
    queue.done("a");
    expect(await queue.take(never)).toBe("a");
    queue.done("a");
    expect(queue.length).toBe(0);
  });

  test("wakes those who wait, and lets them go when their signal aborts", async () => {
    const queue = createWorkQueue({ clock: new VirtualClock() });
    const abort = new AbortController();
    const [first, second] = [queue.take(never), queue.take(abort.signal)];
    queue.add("a");
    abort.abort();
    expect(await first).toBe("a");
    expect(await second).toBeUndefined();
    expect(await queue.take(abort.signal)).toBeUndefined();
    queue.add("b");
    expect(await queue.take(never)).toBe("b");
  });

  test("a delayed key comes at the earliest of the times that it was given", async () => {
    const clock = new VirtualClock();
    const queue = createWorkQueue({ clock });
    queue.addAfter("a", 100);
    queue.addAfter("a", 50);
    queue.addAfter("a", 200);
    await clock.advance(49);
    expect(queue.length).toBe(0);
    await clock.advance(1);
    expect(await queue.take(never)).toBe("a");
    queue.done("a");
    await clock.advance(1000);
    expect(queue.length).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  test("backs a failing key off from 5 ms, doubling up to 30 s, until it is forgotten", async () => {
    const clock = new VirtualClock();
    const queue = createWorkQueue({ clock });
    const waits: number[] = [];
    for (let failure = 0; failure < 16; failure++) {
      queue.addRateLimited("a");
      const startedMs = clock.now();
      while (queue.length === 0) await clock.advance(5, 0);
      waits.push(clock.now() - startedMs);
      await queue.take(never);
      queue.done("a");
    }
    expect(waits.slice(0, 5)).toEqual([5, 10, 20, 40, 80]);
    expect(waits.at(-1)).toBe(keyBackoffMsMax);
    expect(queue.failures("a")).toBe(16);
    queue.forget("a");
    queue.addRateLimited("a");
    await clock.advance(keyBackoffMs);
    expect(queue.length).toBe(1);
  });

  test("never has a key out twice, loses none, and keeps delays, whatever the order of calls", async () => {
    const key = fc.constantFrom("a", "b", "c", "d");
    const step = fc.oneof(
      fc.record({ add: key }),
      fc.record({ after: key, delayMs: fc.nat(30) }),
      fc.constant("take" as const),
      fc.record({ done: key }),
      fc.record({ advance: fc.nat(20) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80, size: "max" }), async (steps) => {
        const clock = new VirtualClock();
        const queue = createWorkQueue({ clock });
        const out = new Set<string>();
        /** What must still come: added, and not taken since. */
        const owed = new Set<string>();
        const delayed = new Map<string, number>();
        const add = (name: string): void => {
          owed.add(name);
          queue.add(name);
        };
        for (const one of steps) {
          if (one === "take") {
            if (queue.length === 0) continue;
            const taken = (await queue.take(never)) as string;
            expect(out.has(taken)).toBe(false);
            expect(owed.delete(taken)).toBe(true);
            out.add(taken);
          } else if ("add" in one) add(one.add);
          else if ("after" in one) {
            const atMs = clock.now() + one.delayMs;
            if (one.delayMs === 0) owed.add(one.after);
            else delayed.set(one.after, Math.min(atMs, delayed.get(one.after) ?? atMs));
            queue.addAfter(one.after, one.delayMs);
          } else if ("done" in one) {
            out.delete(one.done);
            queue.done(one.done);
          } else {
            await clock.advance(one.advance, 0);
            for (const [name, atMs] of delayed) {
              if (atMs > clock.now()) continue;
              delayed.delete(name);
              owed.add(name);
            }
          }
          expect(queue.length).toBe([...owed].filter((name) => !out.has(name)).length);
        }
      }),
    );
  });
});
