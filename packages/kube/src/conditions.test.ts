// Conditions of a status change as Kubernetes' do.
import { expect, test } from "vitest";
import { type Condition, conditionIsTrue, removeCondition, setCondition } from "./conditions.ts";

test("a condition's time moves with its status alone, its place never", () => {
  const [at, later] = [Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 2)];
  let list: Condition[] = setCondition<Condition>(undefined, { type: "Ready", status: "False" }, at);
  list = setCondition<Condition>(list, { type: "Other", status: "True" }, at);
  list = setCondition<Condition>(list, { type: "Ready", status: "False", reason: "Slow" }, later);
  expect(list).toEqual([
    { type: "Ready", status: "False", reason: "Slow", lastTransitionTime: "2026-01-01T00:00:00Z" },
    { type: "Other", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" },
  ]);
  expect(conditionIsTrue(list, "Ready")).toBe(false);
  list = setCondition<Condition>(list, { type: "Ready", status: "True" }, later);
  expect(list[0]).toEqual({ type: "Ready", status: "True", lastTransitionTime: "2026-01-02T00:00:00Z" });
  expect(conditionIsTrue(list, "Ready")).toBe(true);
  expect(removeCondition(list, "Ready").map(({ type }) => type)).toEqual(["Other"]);
});
