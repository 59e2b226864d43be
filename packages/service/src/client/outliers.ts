// Which endpoints fail where others don't. An outlier is ejected for a while: others are preferred to it, and it comes back on
// trial, one call at a time. It is never forbidden, so that nothing is lost by it. What counts is the infrastructure's failure,
// never a method's own error.
import {
  outlierCallsMin,
  outlierEjectedShareMax,
  outlierEjectFirstMs,
  outlierEjectMaxMs,
  outlierFailures,
  outlierFailureShare,
  outlierForgetMs,
  outlierWindowMs,
} from "../limits.ts";
import type { OutlierOptions } from "./types.ts";

/** What is remembered of one endpoint. */
export class Health {
  /** Answers, and failures, in this window. */
  answered = 0;
  failed = 0;
  windowStartMs = 0;
  /** Pods that died and connections that broke since the last answer. */
  consecutive = 0;
  ejections = 0;
  ejectedUntilMs = 0;
  /** It was ejected, and has answered nothing since: one call at a time. */
  onTrial = false;

  isEjected(nowMs: number): boolean {
    return nowMs < this.ejectedUntilMs;
  }

  noteAnswer(): void {
    this.answered++;
    this.consecutive = 0;
    this.onTrial = false;
  }
}

/** `broken`: the pod died, or its connection. `slow`: no answer in time, which may be the caller's impatience. */
export type Failure = "broken" | "slow";

export class Outliers {
  readonly #options: Required<OutlierOptions>;
  /** Since the client was made. */
  ejections = 0;

  constructor(options: OutlierOptions) {
    this.#options = {
      failures: options.failures ?? outlierFailures,
      failureShare: options.failureShare ?? outlierFailureShare,
      ejectMs: options.ejectMs ?? outlierEjectFirstMs,
      ejectedShareMax: options.ejectedShareMax ?? outlierEjectedShareMax,
    };
  }

  /** @param all of the client's ready endpoints, this one among them. @returns true when it is ejected now. */
  failed(health: Health, failure: Failure, all: readonly Health[], nowMs: number): boolean {
    if (nowMs - health.windowStartMs > outlierWindowMs) {
      health.windowStartMs = nowMs;
      health.answered = health.failed = 0;
    }
    health.failed++;
    if (failure === "broken") health.consecutive++;
    if (health.isEjected(nowMs) || !this.#isOutlier(health, all)) return false;
    const ejected = all.filter((other) => other.isEjected(nowMs)).length;
    if (ejected + 1 > Math.max(1, Math.floor(all.length * this.#options.ejectedShareMax)) || all.length < 2)
      return false;
    this.#eject(health, nowMs);
    return true;
  }

  #isOutlier(health: Health, all: readonly Health[]): boolean {
    if (health.onTrial || health.consecutive >= this.#options.failures) return true;
    const share = shareOf([health]);
    if (health.answered + health.failed < outlierCallsMin || share < this.#options.failureShare) return false;
    // Where all are slow, as in an overload, ejecting some would only take away capacity.
    return shareOf(all.filter((other) => other !== health)) < share / 2;
  }

  #eject(health: Health, nowMs: number): void {
    if (nowMs - health.ejectedUntilMs > outlierForgetMs) health.ejections = 0;
    health.ejections++;
    this.ejections++;
    const forMs = Math.min(outlierEjectMaxMs, this.#options.ejectMs * 2 ** Math.min(health.ejections - 1, 16));
    health.ejectedUntilMs = nowMs + forMs;
    health.onTrial = true;
    health.consecutive = health.answered = health.failed = 0;
  }
}

function shareOf(all: readonly Health[]): number {
  let answered = 0;
  let failed = 0;
  for (const health of all) [answered, failed] = [answered + health.answered, failed + health.failed];
  return failed === 0 ? 0 : failed / (answered + failed);
}
