// What the dashboard shows as calls a second, of counts that pods tell of themselves.
import type { ServiceStats } from "@wherry/service";
import { expect, test } from "vitest";
import { type PodAnswer, RateKeeper } from "./rates.ts";

/** @param instance the pod and its process: `a/1` */
function said(instance: string, uptimeMs: number, count: number, failed = 0): PodAnswer {
  const [pod = ""] = instance.split("/");
  const methods = { buy: { count, codes: { OK: count - failed, INVALID: failed } } };
  return { pod, stats: { instance, uptimeMs, methods } as unknown as ServiceStats };
}

const buy = (rates: ReturnType<RateKeeper["take"]>): unknown => rates?.get("buy");

test("is what the counts of all pods have grown by, by their own clocks; nothing at the first look", () => {
  const rates = new RateKeeper();
  expect(rates.take(0, [said("a/1", 60_000, 1000), said("b/1", 50_000, 10)])).toBeUndefined();
  // The second answer came half a second late.
  const next = rates.take(2000, [said("a/1", 62_000, 1200, 20), said("b/1", 52_500, 60)]);
  expect(buy(next)).toEqual({ calls: 100 + 20, failed: 10 });
});

test("loses nothing of those that stay when one leaves, and one that starts anew counts from 0", () => {
  const rates = new RateKeeper();
  rates.take(0, [said("a/1", 60_000, 1000), said("b/1", 60_000, 90_000), said("c/1", 60_000, 50)]);
  const next = rates.take(4000, [said("a/1", 64_000, 1040), said("c/2", 2000, 6), said("d/1", 1000, 5)]);
  expect(buy(next)).toEqual({ calls: 10 + 3 + 5, failed: 0 });
});

test("one that did not answer is compared with what it said last; one that is seen late, not before the next look", () => {
  const rates = new RateKeeper();
  rates.take(0, [said("a/1", 1000, 100), { pod: "b" }]);
  expect(buy(rates.take(2000, [{ pod: "a" }, said("b/1", 90_000, 5000)]))).toBeUndefined();
  expect(buy(rates.take(4000, [said("a/1", 5000, 140), said("b/1", 92_000, 5002)]))).toEqual({ calls: 11, failed: 0 });
});

test("two looks at the same moment are no rate", () => {
  const rates = new RateKeeper();
  rates.take(0, [said("a/1", 1000, 100)]);
  expect(buy(rates.take(0, [said("a/1", 1000, 100)]))).toBeUndefined();
});
