// The client: holds every call until its fate is known, and moves it from endpoint to endpoint within its one deadline.
// The endpoints are the pool's (pool.ts), what waits for room stands in the line (line.ts), attempts are sent by sender.ts, the
// rules are in policy.ts and retry.ts.
import type { Clock } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { deadlineMsDefault } from "../limits.ts";
import { tooLateShareMax } from "../limits.ts";
import { encodeText } from "../protocol/content.ts";
import { Balancer } from "./balancer.ts";
import { type Attempt, Call, checkText, errorOfCall, fateOfUnanswered } from "./call.ts";
import { Deadlines } from "./deadlines.ts";
import type { Endpoint } from "./endpoint.ts";
import { fallBack, mayFallBack } from "./fallback.ts";
import { PeakEwma } from "./latency.ts";
import { closedError, fullError, hopelessError, lateError, poisonError, situationOf } from "./failures.ts";
import { Line } from "./line.ts";
import { Policies, type PolicyOptions } from "./policy.ts";
import { Pool, type PoolOptions } from "./pool.ts";
import { decide, RetryBudget } from "./retry.ts";
import { Sender } from "./sender.ts";
import type { ClientStream } from "./stream.ts";
import { Streams, type StreamsOptions } from "./streams.ts";
import { Subscriptions } from "./subscriptions.ts";
import { currentContext } from "../current-context.ts";
import type { StreamOptions } from "../stream/types.ts";
import type { SubscribeOptions, Subscription, TopicEvent } from "../topic.ts";
import { openTelemetry } from "../tracing/open-telemetry.ts";
import type { Balance, CallOptions, ClientCounters } from "./types.ts";

export interface ClientCoreOptions extends Omit<PoolOptions, "timed">, PolicyOptions {
  /** Default `least-outstanding`. */
  readonly balance?: Balance | undefined;
}

const noOptions: CallOptions = {};

export class ClientCore {
  readonly #options: ClientCoreOptions;
  readonly #clock: Clock;
  readonly #policies: Policies;
  readonly #pool: Pool;
  readonly #line: Line;
  readonly #sender: Sender;
  /** The calls that are under way. */
  readonly #deadlines: Deadlines<Call>;
  readonly #budget: RetryBudget;
  /** From sending to the answer, while calls wait in line. */
  readonly #answerTime: PeakEwma = new PeakEwma();
  readonly #stop: AbortController = new AbortController();
  #closed = false;
  readonly #counts = { calls: 0, succeeded: 0, failed: 0, hedgesWon: 0, fallbacks: 0, rejected: 0 };
  /** Both are made when first asked for. */
  #streams: Streams | undefined;
  #subscriptions: Subscriptions | undefined;

  /** @throws WherryError SERVICE_OPTION_INVALID */
  constructor(options: ClientCoreOptions) {
    this.#options = options;
    const { clock, balance = "least-outstanding", random, service } = options;
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock, (call) => this.#late(call));
    this.#policies = new Policies(options);
    this.#budget = new RetryBudget(options.retry?.budgetRatio);
    const pool = new Pool(
      { ...options, timed: balance === "latency" },
      {
        answered: (attempt, result) => this.#answered(attempt, result),
        changed: () => this.#changed(),
        troubled: () => this.#troubled(),
      },
    );
    this.#pool = pool;
    this.#sender = new Sender({
      ...{ service, pool, clock, budget: this.#budget, balancer: new Balancer(balance, random) },
      fail: (call, error) => this.#fail(call, error),
      again: (call) => this.#dispatch(call),
    });
    this.#line = new Line({
      clock,
      place: (call, nowMs) => this.#sender.place(call, nowMs),
      isTooLate: (call, nowMs) => this.#isTooLate(call, nowMs),
      soonestRoomMs: (nowMs) => pool.soonestRoomMs(nowMs),
    });
    pool.start(this.#stop.signal);
  }

  get counters(): ClientCounters {
    const circuits = Object.fromEntries([...this.#policies.breakers()].map(([name, { state }]) => [name, state]));
    return { ...this.#counts, ...this.#sender.counts, ...this.#pool.counters, waiting: this.#line.size, circuits };
  }

  /** See `ClientBase.call`. */
  call(method: string, value: unknown, options: CallOptions = noOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal, affinity, to } = options;
      const parent = options.parent === undefined ? currentContext() : options.parent;
      const { content, body } = encodeText(value, this.#options.codec);
      const { key = "" } = options;
      checkText("method", method);
      checkText("key", key);
      // Without a parent the trace begins at the service, with the first who asks for it: most calls need not carry one.
      const given = options.trace ?? parent?.trace ?? "";
      const givenState = options.trace === undefined ? (parent?.traceState ?? "") : "";
      const span = openTelemetry()?.call(this.#options.service, method, given, givenState);
      const trace = span?.traceparent ?? given;
      const traceState = span?.tracestate ?? givenState;
      checkText("trace", trace);
      const policy = this.#policies.of(method, options);
      const withinMs = Math.min(policy.deadlineMs, parent?.remainingMs ?? Infinity);
      const nowMs = this.#clock.monotonic();
      const deadlineMs = nowMs + withinMs;
      const facts = { method, content, body, key, trace, traceState, span, affinity, to, policy, deadlineMs, withinMs };
      this.#begin(new Call(facts, resolve, reject), nowMs, signal, parent?.signal);
    });
  }

  #begin(call: Call, nowMs: number, signal: AbortSignal | undefined, parent: AbortSignal | undefined): void {
    this.#counts.calls++;
    this.#budget.deposit();
    const refusal = this.#closed ? closedError() : this.#refusal(call);
    if (refusal !== undefined) {
      this.#fail(call, refusal);
      return;
    }
    this.#deadlines.add(call);
    this.#listen(call, signal);
    this.#listen(call, parent);
    if (!call.settled) this.#dispatch(call, nowMs);
  }

  /** Of the method's circuit breaker. */
  #refusal(call: Call): ServiceError | undefined {
    const { method, policy, deadlineMs, withinMs } = call;
    if (policy.breaker === undefined) return undefined;
    const admission = policy.breaker.admit(method, deadlineMs - withinMs);
    if (admission instanceof ServiceError) {
      this.#counts.rejected++;
      return admission;
    }
    call.admission = admission;
    return undefined;
  }

  /** See `ClientBase.stream`. */
  stream(method: string, given: unknown, options?: StreamOptions): ClientStream {
    const { random } = this.#options;
    this.#streams ??= new Streams({ ...this.#forOthers(), random, best: (nowMs) => this.#pool.best(nowMs) });
    return this.#streams.open(method, given, options);
  }

  /** See `ClientBase.subscribe`. */
  subscribe(topics: readonly string[], options?: SubscribeOptions): Subscription<TopicEvent<unknown>> {
    // Each pod publishes its own events: a subset of them is not enough.
    this.#pool.useAll();
    this.#subscriptions ??= new Subscriptions({ ...this.#forOthers(), endpoints: () => this.#pool.all() });
    return this.#subscriptions.subscribe(topics, options);
  }

  /** What streams and subscriptions need to know of this client. */
  #forOthers(): Pick<StreamsOptions, "service" | "deadlineMs" | "clock" | "situation"> {
    const { service, deadlineMs = deadlineMsDefault, clock } = this.#options;
    return { service, deadlineMs, clock, situation: () => situationOf({}, this.#pool) };
  }

  #changed(): void {
    this.#line.pump();
    this.#streams?.changed();
    this.#subscriptions?.changed();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort(closedError());
    this.#streams?.close();
    this.#subscriptions?.close();
    this.#line.stop();
    for (const call of this.#deadlines.all()) this.#fail(call, closedError());
    await this.#pool.close();
  }

  /** With endpoints, the client goes on with them. Without any, calls need not wait for what only a person can mend. */
  #troubled(): void {
    const hopeless = this.#hopeless();
    if (hopeless !== undefined) for (const call of this.#line.drain()) this.#fail(call, hopeless);
  }

  #hopeless(): ServiceError | undefined {
    const { problem, isEmpty } = this.#pool;
    return problem?.lasting === true && isEmpty ? hopelessError(this.#options.service, problem) : undefined;
  }

  #listen(call: Call, signal: AbortSignal | undefined): void {
    if (signal === undefined || call.settled) return;
    const cancel = (): void => {
      const fate = fateOfUnanswered(call);
      this.#fail(call, new ServiceError("CANCELLED", "the caller cancelled the call", { fate, cause: signal.reason }));
    };
    if (signal.aborted) {
      cancel();
      return;
    }
    signal.addEventListener("abort", cancel, { once: true });
    const before = call.unlisten;
    call.unlisten = () => {
      before?.();
      signal.removeEventListener("abort", cancel);
    };
  }

  #dispatch(call: Call, nowMs: number = this.#clock.monotonic()): void {
    const hopeless = this.#hopeless();
    if (hopeless !== undefined) this.#fail(call, hopeless);
    else if (!this.#line.join(call, nowMs)) this.#fail(call, fullError());
  }

  #answered(attempt: Attempt, result: { readonly value: unknown } | ServiceError): void {
    if (!attempt.abandoned) {
      this.#sender.ended(attempt);
      if (result instanceof ServiceError) this.#failed(attempt, result);
      else this.#succeed(attempt, result.value);
    }
    if (this.#line.size > 0) this.#line.pumpAt(attempt.endpoint);
  }

  #failed({ call, endpoint }: Attempt, error: ServiceError): void {
    call.lastError = error;
    call.span?.attemptFailed(error);
    if (error.fate === "maybe-executed") call.maybeExecuted = true;
    if (error.code === "ABORTED") call.crashes += error.details["crashed"] === true ? 1 : 0.5;
    if (error.fate === "answered") this.#fail(call, error);
    // A hedged call has failed when its last attempt has.
    else if (call.open.length === 0) this.#retry(call, error, endpoint);
  }

  #retry(call: Call, error: ServiceError, endpoint: Endpoint): void {
    const repeatable = endpoint.isRepeatable(call);
    const { retry } = call.policy;
    if (repeatable && call.crashes >= retry.crashes && retry.attempts > 1) {
      this.#fail(call, poisonError(call, error));
      return;
    }
    const elsewhere = this.#sender.isWelcomeElsewhere(call, endpoint);
    const failed = { error, attempt: call.attempts, repeatable, elsewhere };
    const decision = decide(failed, retry, this.#budget, this.#options.random);
    if (decision === "fail") {
      this.#fail(call, errorOfCall(call, error));
      return;
    }
    if (elsewhere) call.avoid = endpoint;
    if (decision.resendInMs === 0) {
      this.#dispatch(call);
      return;
    }
    call.retryTimer = this.#clock.timer(decision.resendInMs, () => {
      // By now the place where it failed may be the only one left.
      call.avoid = undefined;
      if (!call.settled) this.#dispatch(call);
    });
  }

  /**
   * Under overload whoever is first in line is closest to its deadline: sent now, it would be answered when nobody waits any more, and
   * so would all behind it. It is left to its deadline instead, and the pods do what is still of use.
   */
  #isTooLate({ deadlineMs, withinMs }: Call, nowMs: number): boolean {
    const answerMs = this.#answerTime.valueMs(nowMs) ?? 0;
    return deadlineMs - nowMs < Math.min(answerMs, withinMs * tooLateShareMax);
  }

  #late(call: Call): void {
    for (const { endpoint } of call.open) this.#pool.failed(endpoint, "slow");
    this.#fail(call, lateError(call, this.#options.service, this.#pool));
  }

  #succeed(attempt: Attempt, value: unknown): void {
    const { call } = attempt;
    const { hedge, latencies, breaker } = call.policy;
    if (attempt.hedge) this.#counts.hedgesWon++;
    if (hedge !== undefined && "afterPercentile" in hedge) latencies.observe(this.#clock.monotonic() - attempt.sentMs);
    if (this.#line.size > 0) {
      const nowMs = this.#clock.monotonic();
      this.#answerTime.observe(nowMs - attempt.sentMs, nowMs);
    }
    this.#settle(call);
    call.span?.end();
    if (breaker !== undefined && call.admission !== undefined)
      breaker.ended(call.admission, undefined, this.#clock.monotonic());
    this.#counts.succeeded++;
    call.resolve(value);
  }

  #fail(call: Call, error: ServiceError): void {
    if (call.settled) return;
    this.#settle(call);
    call.span?.end(error);
    const { breaker, fallback } = call.policy;
    if (breaker !== undefined && call.admission !== undefined)
      breaker.ended(call.admission, error, this.#clock.monotonic());
    this.#counts.failed++;
    if (fallback !== undefined && mayFallBack(error)) {
      this.#counts.fallbacks++;
      fallBack(call, fallback, error);
    } else call.reject(error);
  }

  #settle(call: Call): void {
    call.settled = true;
    this.#deadlines.remove(call);
    call.retryTimer?.cancel();
    call.unlisten?.();
    this.#sender.abandon(call);
  }
}
