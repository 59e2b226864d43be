// Calls share timers, and none of them notices.
import { VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Deadlines, type Timed } from "./deadlines.ts";

class Item implements Timed {
  readonly deadlineMs: number;
  readonly withinMs: number;
  earlier: Timed | undefined;
  later: Timed | undefined;
  list: Timed["list"];
  /** When it was told to be late. */
  lateMs: number | undefined;

  constructor(nowMs: number, withinMs: number) {
    this.withinMs = withinMs;
    this.deadlineMs = nowMs + withinMs;
  }
}

const step = fc.oneof(
  fc.record({ begin: fc.constantFrom(0, 1, 20, 20, 20, 500, Infinity) }),
  fc.record({ end: fc.nat(50) }),
  fc.record({ passMs: fc.nat(60) }),
);

test("whatever begins, ends and passes, each is late at its own deadline, once, and what has ended never", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = new VirtualClock();
      const all: Item[] = [];
      const ended = new Set<Item>();
      const deadlines = new Deadlines<Item>(clock, (item) => {
        expect(item.lateMs).toBe(undefined);
        item.lateMs = clock.monotonic();
      });
      for (const move of steps) {
        if ("begin" in move) {
          const item = new Item(clock.monotonic(), move.begin);
          all.push(item);
          deadlines.add(item);
        } else if ("passMs" in move) await clock.advance(move.passMs, 1);
        else {
          const item = all[move.end];
          if (item === undefined) continue;
          if (item.lateMs === undefined) ended.add(item);
          deadlines.remove(item);
        }
        const nowMs = clock.monotonic();
        // What is due at this very moment is told by a timer that has no time of its own yet.
        const live = all.filter((item) => !ended.has(item) && item.lateMs === undefined);
        expect(new Set(deadlines.all())).toEqual(new Set(live));
        for (const item of all) {
          if (item.lateMs !== undefined) expect(item.lateMs).toBe(item.deadlineMs);
          else if (!ended.has(item)) expect(item.deadlineMs).toBeGreaterThanOrEqual(nowMs);
        }
        expect(clock.pendingTimers).toBe(new Set(live.map(({ withinMs }) => withinMs)).size);
      }
    }),
  );
});

test("who is late may begin anew, with as much time", async () => {
  const clock = new VirtualClock();
  const late: number[] = [];
  const deadlines: Deadlines<Item> = new Deadlines<Item>(clock, () => {
    late.push(clock.monotonic());
    if (late.length < 3) deadlines.add(new Item(clock.monotonic(), 10));
  });
  deadlines.add(new Item(0, 10));
  await clock.advance(100);
  expect(late).toEqual([10, 20, 30]);
  expect(clock.pendingTimers).toBe(0);
});
