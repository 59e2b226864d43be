// Sends the attempts of calls: chooses where, hedges the slow ones, gives up on those that take too long. What becomes of a
// call when its attempts end is decided in core.ts.
import type { Clock } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { hedgesMaxDefault } from "../limits.ts";
import { type Balancer, ownerOf } from "./balancer.ts";
import { requestIdMax } from "./channels.ts";
import { type Attempt, type Call, isAt, none } from "./call.ts";
import type { Endpoint } from "./endpoint.ts";
import { nobodyError } from "./failures.ts";
import type { Placement } from "./line.ts";
import type { Pool } from "./pool.ts";
import type { RetryBudget } from "./retry.ts";

export interface SenderOptions {
  readonly service: string;
  readonly pool: Pool;
  readonly balancer: Balancer;
  readonly budget: RetryBudget;
  readonly clock: Clock;
  /** The call can't be sent at all. */
  readonly fail: (call: Call, error: ServiceError) => void;
  /** The call has no attempt any more, and wants another one. */
  readonly again: (call: Call) => void;
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #clock: Clock;
  readonly #pool: Pool;
  #lastId = 0;
  readonly counts: { retries: number; hedges: number; attemptTimeouts: number } = {
    retries: 0,
    hedges: 0,
    attemptTimeouts: 0,
  };

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#pool = options.pool;
  }

  /** Sends the call if somebody who may have it has room. */
  place(call: Call, nowMs: number): Placement {
    if (call.to !== undefined) return this.#placeAt(call, call.to, nowMs);
    const best = this.#pool.best(nowMs);
    if (call.affinity === undefined) {
      const endpoint = this.#options.balancer.choose(best, call, nowMs);
      return endpoint !== undefined && this.#send(call, endpoint, nowMs, false) ? "gone" : "waits";
    }
    const owner = ownerOf(best, call.affinity);
    if (owner === undefined) return "waits";
    return owner.hasRoom(nowMs) && this.#send(call, owner, nowMs, false) ? "gone" : owner;
  }

  #placeAt(call: Call, to: string, nowMs: number): Placement {
    if (!this.#pool.told) return "waits";
    const endpoint = this.#pool.find(to, nowMs);
    if (endpoint === undefined || endpoint.state === "leaving" || endpoint.state === "foreign") {
      this.#options.fail(call, nobodyError(call, to, this.#options.service, endpoint));
      return "gone";
    }
    return endpoint.hasRoom(nowMs) && this.#send(call, endpoint, nowMs, false) ? "gone" : endpoint;
  }

  #send(call: Call, endpoint: Endpoint, nowMs: number, hedge: boolean): boolean {
    this.#lastId = this.#lastId === requestIdMax ? 1 : this.#lastId + 1;
    const id = this.#lastId;
    const number = call.attempts + 1;
    const attempt: Attempt = { id, number, call, endpoint, sentMs: nowMs, hedge, abandoned: false, timer: undefined };
    if (!endpoint.send(attempt)) return false;
    call.attempts = number;
    call.span?.attempt(number, endpoint.target.address);
    call.open = call.open.length === 0 ? [attempt] : [...call.open, attempt];
    call.avoid = undefined;
    if (hedge) this.counts.hedges++;
    else if (number > 1) this.counts.retries++;
    const { hedge: hedging, retry } = call.policy;
    if (retry.attemptTimeoutMs !== undefined && endpoint.isRepeatable(call))
      attempt.timer = this.#clock.timer(retry.attemptTimeoutMs, () => this.#giveUp(attempt));
    if (hedging !== undefined && !hedge) this.#hedgeLater(call, endpoint);
    return true;
  }

  /** Takes an attempt off its call: it was answered, or nobody waits for it. */
  ended(attempt: Attempt): void {
    attempt.timer?.cancel();
    const { call } = attempt;
    const { open } = call;
    call.open = open.length === 1 && open[0] === attempt ? none : open.filter((other) => other !== attempt);
  }

  /** Nobody waits for the call any more. */
  abandon(call: Call): void {
    call.hedgeTimer?.cancel();
    for (const attempt of call.open) {
      attempt.timer?.cancel();
      attempt.endpoint.cancel(attempt);
    }
    call.open = none;
  }

  #hedgeLater(call: Call, endpoint: Endpoint): void {
    const { hedge, latencies } = call.policy;
    if (hedge === undefined || call.hedges >= (hedge.max ?? hedgesMaxDefault)) return;
    // Somebody who may only go to one place has nowhere to be hedged.
    if (call.to !== undefined || call.affinity !== undefined || !endpoint.isRepeatable(call)) return;
    const afterMs = "afterMs" in hedge ? hedge.afterMs : longerThan(latencies.percentileMs(hedge.afterPercentile));
    if (afterMs === undefined) return;
    call.hedgeTimer?.cancel();
    call.hedgeTimer = this.#clock.timer(afterMs, () => {
      if (call.settled) return;
      if (call.open.length > 0) this.#hedge(call);
      this.#hedgeLater(call, endpoint);
    });
  }

  #hedge(call: Call): void {
    const nowMs = this.#clock.monotonic();
    const endpoint = this.#options.balancer.choose(this.#pool.best(nowMs), call, nowMs);
    if (endpoint === undefined || call.attempts >= call.policy.retry.attempts || !this.#options.budget.take()) {
      // Not now, and later it will be too late to help: this one is used up.
      call.hedges++;
      return;
    }
    if (this.#send(call, endpoint, nowMs, true)) call.hedges++;
  }

  /** The attempt takes too long: it is cancelled, and made elsewhere, if the rules allow another one. Else it may take its time. */
  #giveUp(attempt: Attempt): void {
    const { call, endpoint } = attempt;
    if (attempt.abandoned || call.settled) return;
    const isLast = call.open.length === 1;
    if (isLast && (call.attempts >= call.policy.retry.attempts || !this.#options.budget.take())) return;
    this.counts.attemptTimeouts++;
    this.#pool.failed(endpoint, "slow");
    endpoint.cancel(attempt);
    this.ended(attempt);
    call.maybeExecuted = true;
    const message = `an attempt was given up after ${call.policy.retry.attemptTimeoutMs ?? 0} ms; it may have had its effect`;
    call.lastError = new ServiceError("ABORTED", message, { fate: "maybe-executed" });
    if (!isLast) return;
    if (this.isWelcomeElsewhere(call, endpoint)) call.avoid = endpoint;
    this.#options.again(call);
  }

  /** Somebody else could take it now. */
  isWelcomeElsewhere(call: Call, than: Endpoint): boolean {
    if (call.to !== undefined) return false;
    const nowMs = this.#clock.monotonic();
    this.#pool.lookAgain();
    return this.#pool.best(nowMs).some((other) => other !== than && other.hasRoom(nowMs) && !isAt(call, other));
  }
}

/** Where all answers take the same time, none is late. */
function longerThan(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.floor(ms) + 1;
}
