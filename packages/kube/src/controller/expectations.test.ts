// A loop does not act again on what its cache does not show yet, and never waits for ever.
import { VirtualClock } from "@wherry/core/testing";
import { expect, test } from "vitest";
import { Expectations } from "./expectations.ts";
import { expectationsMs } from "./limits.ts";

test("a loop waits until its cache shows what it created and deleted", () => {
  const expectations = new Expectations(new VirtualClock());
  expect(expectations.satisfied("a")).toBe(true);
  expectations.expectCreates("a", 2);
  expectations.expectDeletes("a", ["uid-1"]);
  expectations.createSeen("a");
  expectations.createSeen("a");
  expect(expectations.satisfied("a")).toBe(false);
  expectations.deleteSeen("a", "uid-of-another");
  expect(expectations.satisfied("a")).toBe(false);
  expectations.deleteSeen("a", "uid-1");
  expect(expectations.satisfied("a")).toBe(true);
});

test("what was created by others does not make up for later creates", () => {
  const expectations = new Expectations(new VirtualClock());
  expectations.createSeen("a");
  expectations.expectCreates("a", 1);
  expect(expectations.satisfied("a")).toBe(false);
  expect(expectations.satisfied("b")).toBe(true);
});

test("nothing is waited for after five minutes, or when the owner is gone", async () => {
  const clock = new VirtualClock();
  const expectations = new Expectations(clock);
  expectations.expectCreates("a", 1);
  expectations.expectCreates("b", 1);
  expectations.forget("b");
  expect(expectations.satisfied("b")).toBe(true);
  await clock.advance(expectationsMs - 1, 0);
  expect(expectations.satisfied("a")).toBe(false);
  await clock.advance(1, 0);
  expect(expectations.satisfied("a")).toBe(true);
});
