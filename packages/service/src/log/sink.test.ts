// A log sink in virtual time loses no record and holds nobody up, whatever its aggregator does.
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sinkQueueBytesMax, sinkQueueRecordsMax, sinkRetryMaxMs, sinkTimeoutMs } from "../limits.ts";
import { RetryLater } from "./retry-later.ts";
import { Sink } from "./sink.ts";
import { type Aggregator, type Delivery, delivered } from "./types.ts";

type Behaviour = "take" | "fail" | "later" | "hang" | "reject-first" | "again-first" | "lose-answer";

/** An aggregator that behaves as it is told, and remembers what it stored. */
class Double implements Aggregator {
  readonly name = "double://";
  readonly stored: string[] = [];
  batches = 0;
  closed = 0;
  readonly #behave: (batch: number) => Behaviour;

  constructor(behave: (batch: number) => Behaviour = () => "take") {
    this.#behave = behave;
  }

  async send(lines: readonly string[], signal: AbortSignal): Promise<Delivery> {
    const behaviour = this.#behave(this.batches++);
    if (behaviour === "fail") throw new Error("refused");
    if (behaviour === "later") throw new RetryLater("slow down", 60_000);
    if (behaviour === "hang")
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    const first = behaviour === "reject-first" || behaviour === "again-first";
    this.stored.push(...lines.slice(first ? 1 : 0));
    if (behaviour === "lose-answer") throw new Error("cut off");
    if (behaviour === "reject-first") return { rejected: [0], again: [], reason: "no" };
    return behaviour === "again-first" ? { rejected: [], again: [0] } : delivered;
  }

  close(): void {
    this.closed++;
  }
}

function sinkOn(double: Double) {
  const clock = new VirtualClock();
  const spilled: string[] = [];
  const warnings: string[] = [];
  const spill = (line: string): void => void spilled.push(line);
  const warn = (_fields: unknown, message: string): void => void warnings.push(message);
  const sink = new Sink(double, { clock, random: new SeededRandom(1), spill, warn });
  return { clock, spilled, warnings, sink };
}

describe("a log sink", () => {
  test("sends records together, after a moment or at once when they are grave", async () => {
    const double = new Double();
    const { sink, clock } = sinkOn(double);
    for (const line of ["a", "b"]) sink.offer(line, false, false);
    await clock.advance(50);
    expect(double.batches).toBe(0);
    await clock.advance(200);
    expect([double.batches, double.stored]).toEqual([1, ["a", "b"]]);
    sink.offer("grave", false, true);
    await clock.advance(0);
    expect(double.stored).toEqual(["a", "b", "grave"]);
    expect(clock.pendingTimers).toBe(0);
  });

  test("tries a batch a second time before anything is given up: an idle connection may have been closed", async () => {
    const double = new Double((batch) => (batch === 0 ? "fail" : "take"));
    const { sink, clock, spilled, warnings } = sinkOn(double);
    sink.offer("a", false, true);
    await clock.advance(1000);
    expect([double.stored, spilled, warnings]).toEqual([["a"], [], []]);
  });

  test("while its aggregator is down, gives every record to stdout at once, and says so once", async () => {
    let broken = true;
    const double = new Double(() => (broken ? "fail" : "take"));
    const { sink, clock, spilled, warnings } = sinkOn(double);
    sink.offer("a", false, true);
    await clock.advance(300);
    for (const line of ["b", "c"]) sink.offer(line, false, false);
    expect([spilled, sink.held, sink.isUp]).toEqual([["a", "b", "c"], 0, false]);
    // Each record after a pause is a try; the pauses grow.
    for (let minute = 0; minute < 10; minute++) {
      await clock.advance(60_000);
      sink.offer(`try ${minute}`, false, true);
      await clock.advance(1000);
    }
    expect(warnings).toEqual([expect.stringContaining("double:// is down; records go to stdout")]);
    broken = false;
    await clock.advance(sinkRetryMaxMs);
    sink.offer("back", false, true);
    await clock.advance(0);
    expect(double.stored).toEqual(["back"]);
    expect(warnings).toHaveLength(2);
    expect(sink.counters).toEqual({ delivered: 1, down: 13, full: 0, rejected: 0 });
  });

  test("leaves an aggregator alone for as long as it asks, and keeps nothing in memory meanwhile", async () => {
    const double = new Double((batch) => (batch === 0 ? "later" : "take"));
    const { sink, clock, spilled, warnings } = sinkOn(double);
    sink.offer("a", false, true);
    await clock.advance(0);
    expect([spilled, sink.held, sink.isUp]).toEqual([["a"], 0, false]);
    for (let second = 0; second < 59; second++) {
      sink.offer(`${second}`, false, true);
      await clock.advance(1000);
    }
    expect([double.batches, spilled.length]).toEqual([1, 60]);
    await clock.advance(2000);
    sink.offer("now", false, true);
    await clock.advance(0);
    expect(double.stored).toEqual(["now"]);
    expect(warnings.map((text) => /is down|takes records again/.exec(text)?.[0])).toEqual([
      "is down",
      "takes records again",
    ]);
  });

  test("does not write what stdout has already", async () => {
    const { sink, clock, spilled } = sinkOn(new Double(() => "fail"));
    sink.offer("a", true, true);
    await clock.advance(1000);
    expect([spilled, sink.counters.down]).toEqual([[], 1]);
  });

  test("gives single records that are refused to stdout, and keeps the others", async () => {
    const double = new Double((batch) => (batch === 0 ? "reject-first" : "take"));
    const { sink, clock, spilled, warnings } = sinkOn(double);
    for (const line of ["bad", "good"]) sink.offer(line, false, false);
    await clock.advance(300);
    expect([double.stored, spilled, sink.counters.rejected]).toEqual([["good"], ["bad"], 1]);
    expect(warnings).toEqual([expect.stringContaining("refused records")]);
  });

  test("sends a record again that was put off, and gives up on it after three times", async () => {
    const double = new Double((batch) => (batch < 3 ? "again-first" : "take"));
    const { sink, clock, spilled } = sinkOn(double);
    sink.offer("a", false, true);
    await clock.advance(5000);
    expect([double.batches, double.stored, spilled]).toEqual([3, [], ["a"]]);
  });

  test("keeps within its bounds when the aggregator hangs, and gives the rest to stdout", async () => {
    const { sink, clock, spilled } = sinkOn(new Double(() => "hang"));
    for (let index = 0; index < sinkQueueRecordsMax * 2; index++) sink.offer("x".repeat(10), false, false);
    await clock.advance(1);
    expect(sink.held).toBeLessThanOrEqual(sinkQueueRecordsMax + 500);
    expect(sink.held + spilled.length).toBe(sinkQueueRecordsMax * 2);
    const large = "x".repeat(1024 * 1024);
    const before = sink.held;
    for (let index = 0; index < 20; index++) sink.offer(large, false, false);
    expect((sink.held - before) * large.length).toBeLessThanOrEqual(sinkQueueBytesMax);
    await clock.advance(3 * sinkTimeoutMs);
    expect([sink.held, spilled.length]).toEqual([0, sinkQueueRecordsMax * 2 + 20]);
  });

  test("at the end sends what it has, and what it can't send in time is on stdout", async () => {
    const good = new Double();
    const up = sinkOn(good);
    up.sink.offer("a", false, false);
    await up.sink.close(1000);
    expect([good.stored, up.spilled, good.closed]).toEqual([["a"], [], 1]);
    up.sink.offer("late", false, false);
    expect(up.spilled).toEqual(["late"]);

    const hanging = sinkOn(new Double(() => "hang"));
    for (const line of ["a", "b"]) hanging.sink.offer(line, false, true);
    const closed = hanging.sink.close(1000);
    await hanging.clock.advance(1000);
    await closed;
    expect(hanging.spilled).toEqual(["a", "b"]);
    expect(hanging.clock.pendingTimers).toBe(0);
  });

  test("loses no record, whatever the aggregator does and whenever the process ends", async () => {
    const behaviours = fc.constantFrom<Behaviour>(
      "take",
      "fail",
      "later",
      "hang",
      "reject-first",
      "again-first",
      "lose-answer",
    );
    const steps = fc.array(fc.oneof(fc.constant("offer"), fc.constant("grave"), fc.nat(20_000)), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(fc.array(behaviours, { minLength: 1 }), steps, fc.boolean(), async (plan, script, inTurn) => {
        const double = new Double((batch) => plan[batch % plan.length] ?? "take");
        const { sink, clock, spilled } = sinkOn(double);
        let offered = 0;
        for (const step of script)
          if (typeof step === "number") await clock.advance(step, 1);
          else sink.offer(`${offered++}`, false, step === "grave");
        if (inTurn) sink.spillAll();
        else {
          const closed = sink.close(1000);
          await clock.advance(1000);
          await closed;
        }
        const everywhere = new Set([...double.stored, ...spilled]);
        expect(everywhere.size).toBe(offered);
        const { delivered: taken, down, full, rejected } = sink.counters;
        expect(taken + down + full + rejected).toBe(offered);
        // No record is on stdout twice.
        expect(new Set(spilled).size).toBe(spilled.length);
      }),
      { numRuns: 150 },
    );
  });
});
