// Creations in growing batches: where the first is refused, a thousand others are not tried.
import { expect, test } from "vitest";
import { slowStart } from "./slow-start.ts";

async function tried(
  count: number,
  failAt: number,
): Promise<{ readonly calls: number; readonly done: number; readonly failure: unknown }> {
  let calls = 0;
  const result = await slowStart(count, 1, () =>
    ++calls === failAt ? Promise.reject(new Error("refused")) : Promise.resolve(),
  );
  return { calls, ...result };
}

test("when the first creation is refused, no other is tried", async () => {
  expect(await tried(500, 1)).toMatchObject({ calls: 1, done: 1, failure: new Error("refused") });
});

test("a failure in a later batch ends after that batch", async () => {
  expect(await tried(500, 5)).toMatchObject({ calls: 7, done: 7, failure: new Error("refused") });
});

test("without a failure all are created, once", async () => {
  expect(await tried(10, 0)).toEqual({ calls: 10, done: 10, failure: undefined });
});
