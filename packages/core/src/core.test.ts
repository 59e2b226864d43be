// What all packages lean on: a queue that refuses what is too much, time and randomness that a test holds, errors known by their code.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BoundedQueue, SeededRandom, WherryError } from "./index.ts";
import { VirtualClock } from "./virtual-clock.ts";

describe("BoundedQueue", () => {
  test("gives back what went in, in order, and refuses what is too much", () => {
    const commands = fc.array(fc.oneof(fc.integer(), fc.constant("shift" as const)), { maxLength: 200 });
    fc.assert(
      fc.property(commands, fc.integer({ min: 1, max: 40 }), (steps, capacity) => {
        const queue = new BoundedQueue<number>(capacity);
        const model: number[] = [];
        for (const step of steps) {
          if (step === "shift") expect(queue.shift()).toBe(model.shift());
          else if (queue.push(step)) model.push(step);
          else expect(model.length).toBe(capacity);
          expect(queue.size).toBe(model.length);
          expect(queue.peek()).toBe(model[0]);
          expect([...queue]).toEqual(model);
        }
        expect(queue.drain()).toEqual(model);
      }),
    );
  });

  test("refuses a capacity that is no whole number of at least 1", () => {
    expect(() => new BoundedQueue(0)).toThrow(/expected a whole number ≥ 1, got 0/);
  });
});

describe("VirtualClock", () => {
  test("fires timers in order of their time, with time as it was set for them", async () => {
    const clock = new VirtualClock(0);
    const fired: [string, number][] = [];
    clock.timer(20, () => fired.push(["late", clock.now()]));
    clock.timer(10, () => fired.push(["early", clock.now()]));
    clock.timer(15, () => fired.push(["cancelled", clock.now()])).cancel();
    await clock.advance(30);
    expect(fired).toEqual([
      ["early", 10],
      ["late", 20],
    ]);
    expect(clock.now()).toBe(30);
    expect(clock.pendingTimers).toBe(0);
  });

  test("a sleep ends early, and leaves no timer, when its signal aborts", async () => {
    const clock = new VirtualClock(0);
    const abort = new AbortController();
    const sleeping = clock.sleep(1000, abort.signal);
    abort.abort(new Error("enough"));
    await expect(sleeping).rejects.toThrow("enough");
    expect(clock.pendingTimers).toBe(0);
  });
});

test("the same seed gives the same randomness", () => {
  const [a, b] = [new SeededRandom(7), new SeededRandom(7)];
  expect([a.next(), a.below(10), a.uuid()]).toEqual([b.next(), b.below(10), b.uuid()]);
});

test("an error is recognized by its code", () => {
  const error = new WherryError("no", { code: "NO" });
  expect(WherryError.is(error, "NO")).toBe(true);
  expect(WherryError.is(error, "YES")).toBe(false);
  expect(WherryError.is(new Error("no"))).toBe(false);
});
