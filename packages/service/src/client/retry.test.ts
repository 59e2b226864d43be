// The rules of repeating, by themselves; what they do for a client's calls is in repeating.test.ts.
import { SeededRandom } from "@wherry/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { attemptsMax, retryBudgetMax, retryBudgetRatio, retryFirstMs, retryMaxMs } from "../limits.ts";
import { backoffMs, decide, type FailedAttempt, RetryBudget } from "./retry.ts";

const policy = {
  ...{ attempts: attemptsMax, attemptTimeoutMs: undefined, crashes: 2 },
  ...{ backoffFirstMs: retryFirstMs, backoffMaxMs: retryMaxMs },
};
const failed = (fate: FailedAttempt["error"]["fate"], more: Partial<FailedAttempt> = {}): FailedAttempt => ({
  ...{ error: { code: "ABORTED", fate, retryAfterMs: undefined }, attempt: 1, repeatable: true, elsewhere: true },
  ...more,
});

describe("the pause before an attempt", () => {
  test("doubles up to its longest; half of it is chance", () => {
    const random = new SeededRandom(1);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), (attempt) => {
        const longestMs = Math.min(retryMaxMs, retryFirstMs * 2 ** (attempt - 1));
        const pauseMs = backoffMs(attempt, policy, random);
        expect(pauseMs).toBeGreaterThanOrEqual(longestMs / 2);
        expect(pauseMs).toBeLessThanOrEqual(longestMs);
      }),
    );
    expect(new Set(Array.from({ length: 100 }, () => backoffMs(3, policy, random))).size).toBeGreaterThan(50);
  });

  test("is none while others can take the call at once, and what a busy pod asked for when there is no other", () => {
    const [budget, random] = [new RetryBudget(), new SeededRandom(1)];
    const busy = { code: "BUSY", fate: "not-started", retryAfterMs: 5000 } as const;
    expect(decide(failed("not-started", { error: busy }), policy, budget, random)).toEqual({ resendInMs: 0 });
    const alone = decide(failed("not-started", { error: busy, elsewhere: false }), policy, budget, random);
    expect(alone).toEqual({ resendInMs: 5000 });
  });
});

describe("the budget of repetitions", () => {
  test("holds: what may have been executed is repeated for a tenth of the calls, and what was saved up; what never started costs nothing", () => {
    const random = new SeededRandom(1);
    fc.assert(
      fc.property(fc.array(fc.constantFrom("call", "maybe-executed", "not-started"), { maxLength: 3000 }), (story) => {
        const budget = new RetryBudget();
        let [calls, repeated] = [0, 0];
        for (const what of story) {
          if (what === "call") {
            calls += 1;
            budget.deposit();
            continue;
          }
          const decision = decide(failed(what), policy, budget, random);
          if (what === "not-started") expect(decision).not.toBe("fail");
          else if (decision !== "fail") repeated += 1;
          expect(repeated).toBeLessThanOrEqual(retryBudgetMax + calls * retryBudgetRatio);
        }
      }),
    );
    const empty = new RetryBudget();
    while (empty.take());
    expect(decide(failed("maybe-executed"), policy, empty, random)).toBe("fail");
    for (let call = 0; call < 11; call++) empty.deposit();
    expect(decide(failed("maybe-executed"), policy, empty, random)).not.toBe("fail");
  });

  test("is not asked for what is final, or may not be repeated", () => {
    const [budget, random] = [new RetryBudget(), new SeededRandom(1)];
    expect(decide(failed("answered"), policy, budget, random)).toBe("fail");
    expect(decide(failed("maybe-executed", { repeatable: false }), policy, budget, random)).toBe("fail");
    expect(decide(failed("not-started", { attempt: attemptsMax }), policy, budget, random)).toBe("fail");
    let left = 0;
    while (budget.take()) left += 1;
    expect(left).toBe(retryBudgetMax);
  });
});
