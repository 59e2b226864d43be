// Whether a failed attempt may be repeated, and when. Pure rules: docs/reference/protocol.md names them.
import type { Random } from "@wherry/core";
import type { ServiceError } from "../errors.ts";
import { retryBudgetMax, retryBudgetRatio } from "../limits.ts";
import type { RetryPolicy } from "./policy.ts";

export interface FailedAttempt {
  readonly error: Pick<ServiceError, "code" | "fate" | "retryAfterMs">;
  /** 1 for the first. */
  readonly attempt: number;
  /** The method is idempotent, or the call has a key that the method honours. */
  readonly repeatable: boolean;
  /** Another endpoint could take it now. */
  readonly elsewhere: boolean;
}

export type Decision = { readonly resendInMs: number } | "fail";

/** Codes that stay true wherever the call goes. */
const final = new Set(["CANCELLED", "DEADLINE_EXCEEDED", "VERSION"]);

/** Attempts that go elsewhere at once; after them, each waits. */
const attemptsAtOnce = 3;

export function decide(failed: FailedAttempt, policy: RetryPolicy, budget: RetryBudget, random: Random): Decision {
  const { error, attempt, repeatable, elsewhere } = failed;
  if (error.fate === "answered" || final.has(error.code) || attempt >= policy.attempts) return "fail";
  // What never started costs the service nothing: it does not spend the budget.
  if (error.fate === "maybe-executed" && !(repeatable && budget.take())) return "fail";
  if (elsewhere && attempt < attemptsAtOnce) return { resendInMs: 0 };
  return { resendInMs: Math.max(backoffMs(attempt, policy, random), elsewhere ? 0 : (error.retryAfterMs ?? 0)) };
}

/** Doubles with each attempt, half fixed, half random. */
export function backoffMs(
  attempt: number,
  { backoffFirstMs, backoffMaxMs }: Pick<RetryPolicy, "backoffFirstMs" | "backoffMaxMs">,
  random: Random,
): number {
  const longestMs = Math.min(backoffMaxMs, backoffFirstMs * 2 ** Math.min(attempt - 1, 16));
  return (longestMs * (1 + random.next())) / 2;
}

/** A token bucket filled by calls: repetitions of maybe-executed calls stay a fraction of them, so that they cannot amplify an outage. */
export class RetryBudget {
  readonly #ratio: number;
  #tokens: number;

  /** @param ratio of repetitions to calls; 0 allows none, not even those that are saved up at first. */
  constructor(ratio: number = retryBudgetRatio) {
    this.#ratio = ratio;
    this.#tokens = ratio === 0 ? 0 : retryBudgetMax;
  }

  /** A call was made. */
  deposit(): void {
    this.#tokens = Math.min(retryBudgetMax, this.#tokens + this.#ratio);
  }

  /** True, and one token less, if a retry may be made. */
  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
