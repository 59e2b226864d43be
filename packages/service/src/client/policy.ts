// The rules of one method's calls: the call's own options, else the client's for the method, else the client's, else the
// defaults. Read once for a method, so that a call without options pays one look-up.
import { WherryError } from "@wherry/core";
import {
  attemptsMax,
  crashesMaxDefault,
  deadlineMsDefault,
  hedgesMax,
  hedgesMaxDefault,
  retryFirstMs,
  retryMaxMs,
} from "../limits.ts";
import { Breaker } from "./breaker.ts";
import { LatencyWindow } from "./latency.ts";
import type { CallOptions, ConnectOptions, Fallback, HedgeOptions, MethodOptions, RetryOptions } from "./types.ts";

export interface RetryPolicy {
  readonly attempts: number;
  readonly attemptTimeoutMs: number | undefined;
  readonly backoffFirstMs: number;
  readonly backoffMaxMs: number;
  readonly crashes: number;
}

/** Wrapped, so that a fallback to `undefined` by a function's result and no fallback at all are two things. */
export interface FallbackOf {
  readonly value: Fallback;
}

export interface MethodPolicy {
  readonly deadlineMs: number;
  /** undefined leaves it to the service. */
  readonly idempotent: boolean | undefined;
  readonly retry: RetryPolicy;
  readonly hedge: HedgeOptions | undefined;
  readonly fallback: FallbackOf | undefined;
  /** Shared by all calls of the method. */
  readonly breaker: Breaker | undefined;
  readonly latencies: LatencyWindow;
}

/** What of a client's options is about its calls. */
export type PolicyOptions = Pick<ConnectOptions, "deadlineMs" | "retry" | "hedge" | "breaker" | "methods">;

const retryDefault: RetryPolicy = {
  attempts: attemptsMax,
  attemptTimeoutMs: undefined,
  backoffFirstMs: retryFirstMs,
  backoffMaxMs: retryMaxMs,
  crashes: crashesMaxDefault,
};

export class Policies {
  readonly #options: PolicyOptions;
  readonly #methods: Map<string, MethodPolicy> = new Map();

  /** @throws WherryError SERVICE_OPTION_INVALID */
  constructor(options: PolicyOptions) {
    this.#options = options;
    this.#resolve({});
    for (const name of Object.keys(options.methods ?? {})) this.#of(name);
  }

  /** @throws WherryError SERVICE_OPTION_INVALID */
  of(method: string, call: CallOptions): MethodPolicy {
    const policy = this.#methods.get(method) ?? this.#of(method);
    const { deadlineMs, idempotent, retry, hedge, fallback } = call;
    if (
      deadlineMs === undefined &&
      idempotent === undefined &&
      retry === undefined &&
      hedge === undefined &&
      fallback === undefined
    )
      return policy;
    // What is left of some other deadline may well be nothing, but is a number.
    check("deadlineMs", deadlineMs, -Infinity, Infinity);
    return {
      deadlineMs: deadlineMs ?? policy.deadlineMs,
      idempotent: idempotent ?? policy.idempotent,
      retry: retry === undefined ? policy.retry : retryOf(policy.retry, retry),
      hedge: hedge === undefined ? policy.hedge : hedgeOf(hedge),
      fallback: fallback === undefined ? policy.fallback : { value: fallback },
      breaker: policy.breaker,
      latencies: policy.latencies,
    };
  }

  /** Every method that has a breaker, and was called. */
  *breakers(): Iterable<readonly [string, Breaker]> {
    for (const [name, { breaker }] of this.#methods) if (breaker !== undefined) yield [name, breaker];
  }

  #of(method: string): MethodPolicy {
    const methods: Readonly<Record<string, MethodOptions | undefined>> = this.#options.methods ?? {};
    const policy = this.#resolve((Object.hasOwn(methods, method) ? methods[method] : undefined) ?? {});
    this.#methods.set(method, policy);
    return policy;
  }

  #resolve(method: MethodOptions): MethodPolicy {
    const options = this.#options;
    const breaker = method.breaker ?? options.breaker ?? false;
    const deadlineMs = method.deadlineMs ?? options.deadlineMs ?? deadlineMsDefault;
    check("deadlineMs", deadlineMs, 0, Infinity);
    return {
      deadlineMs,
      idempotent: method.idempotent,
      retry: retryOf(retryOf(retryDefault, options.retry ?? {}), method.retry ?? {}),
      hedge: hedgeOf(method.hedge ?? options.hedge ?? false),
      fallback: method.fallback === undefined ? undefined : { value: method.fallback },
      breaker: breaker === false ? undefined : new Breaker(breaker),
      latencies: new LatencyWindow(),
    };
  }
}

function retryOf(base: RetryPolicy, options: RetryOptions): RetryPolicy {
  const { attempts, attemptTimeoutMs, backoffFirstMs, backoffMaxMs, crashes } = options;
  check("retry.attempts", attempts, 1, attemptsMax);
  check("retry.attemptTimeoutMs", attemptTimeoutMs, 1, Infinity);
  check("retry.backoffFirstMs", backoffFirstMs, 0, Infinity);
  check("retry.backoffMaxMs", backoffMaxMs, 0, Infinity);
  check("retry.crashes", crashes, 1, attemptsMax);
  return {
    attempts: attempts ?? base.attempts,
    attemptTimeoutMs: attemptTimeoutMs ?? base.attemptTimeoutMs,
    backoffFirstMs: backoffFirstMs ?? base.backoffFirstMs,
    backoffMaxMs: backoffMaxMs ?? base.backoffMaxMs,
    crashes: crashes ?? base.crashes,
  };
}

function hedgeOf(options: HedgeOptions | false): HedgeOptions | undefined {
  if (options === false) return undefined;
  if ("afterMs" in options) check("hedge.afterMs", options.afterMs, 0, Infinity);
  else check("hedge.afterPercentile", options.afterPercentile, 0, 100);
  check("hedge.max", options.max ?? hedgesMaxDefault, 1, hedgesMax);
  return options;
}

/** @throws WherryError SERVICE_OPTION_INVALID; undefined is always right. */
export function check(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (typeof value === "number" && value >= least && value <= most)) return;
  const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new WherryError(`${name}: expected a number ${range}, got ${JSON.stringify(value)}`, {
    code: "SERVICE_OPTION_INVALID",
  });
}
