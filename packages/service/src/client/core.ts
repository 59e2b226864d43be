// The client: holds every call until its fate is known, and moves it from endpoint to endpoint within its one deadline.
// The endpoints are the pool's (pool.ts), what waits for room stands in the line (line.ts).
import type { Clock, Random } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { encodeContent } from "../protocol/content.ts";
import { closedError, fullError, hopelessError, lateError } from "./late.ts";
import { choose } from "./balancer.ts";
import { type Call, checkText, errorOfCall, fateOfUnanswered } from "./call.ts";
import type { Endpoint } from "./endpoint.ts";
import { Line } from "./line.ts";
import { Pool, type PoolOptions } from "./pool.ts";
import { decide, RetryBudget } from "./retry.ts";
import { currentContext } from "../current-context.ts";
import type { CallOptions, ClientCounters } from "./types.ts";

export interface ClientCoreOptions extends PoolOptions {
  /** The service's name, for messages. */
  readonly service: string;
  readonly deadlineMs: number;
}

export class ClientCore {
  readonly #options: ClientCoreOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #pool: Pool;
  readonly #line: Line;
  readonly #live: Set<Call> = new Set();
  readonly #budget: RetryBudget = new RetryBudget();
  readonly #stop: AbortController = new AbortController();
  readonly #counts = { calls: 0, succeeded: 0, failed: 0, retries: 0 };
  #lastId = 0;

  constructor(options: ClientCoreOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#pool = new Pool(options, {
      answered: (call, result) => this.#answered(call, result),
      changed: () => this.#line.pump(),
      troubled: () => this.#troubled(),
    });
    this.#line = new Line({
      clock: options.clock,
      place: (call) => this.#trySend(call),
      soonestRoomMs: (nowMs) => this.#pool.soonestRoomMs(nowMs),
    });
    this.#pool.start(this.#stop.signal);
  }

  get counters(): ClientCounters {
    return { ...this.#counts, endpoints: this.#pool.size, available: this.#pool.available };
  }

  /** See `ClientBase.call`. */
  call(method: string, value: unknown, options: CallOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      const parent = options.parent === undefined ? currentContext() : options.parent;
      const { content, body } = encodeContent(value);
      const [key, trace] = [options.key ?? "", options.trace ?? parent?.trace ?? ""];
      checkText("method", method);
      checkText("key", key);
      checkText("trace", trace);
      const withinMs = Math.min(options.deadlineMs ?? this.#options.deadlineMs, parent?.remainingMs ?? Infinity);
      this.#lastId = this.#lastId === 0xffffffff ? 1 : this.#lastId + 1;
      const call: Call = {
        id: this.#lastId,
        ...{ method, content, body, key, trace, resolve, reject },
        idempotent: options.idempotent,
        deadlineMs: this.#clock.monotonic() + withinMs,
        ...{ settled: false, attempt: 0, maybeExecuted: false },
        ...{ at: undefined, avoid: undefined, lastError: undefined },
        ...{ timer: undefined, retryTimer: undefined, unlisten: undefined },
      };
      this.#counts.calls++;
      this.#budget.deposit();
      this.#live.add(call);
      if (this.#stop.signal.aborted) {
        this.#fail(call, closedError());
        return;
      }
      call.timer = this.#clock.timer(withinMs, () => this.#late(call, withinMs));
      this.#listen(call, signal);
      this.#listen(call, parent?.signal);
      if (!call.settled) this.#dispatch(call);
    });
  }

  async close(): Promise<void> {
    this.#stop.abort(closedError());
    this.#line.stop();
    for (const call of [...this.#live]) this.#fail(call, closedError());
    await this.#pool.close();
  }

  /** With endpoints, the client goes on with them. Without any, calls need not wait for what only a person can mend. */
  #troubled(): void {
    const hopeless = this.#hopeless();
    if (hopeless !== undefined) for (const call of this.#line.drain()) this.#fail(call, hopeless);
  }

  #hopeless(): ServiceError | undefined {
    const { problem, size } = this.#pool;
    return problem?.lasting === true && size === 0 ? hopelessError(this.#options.service, problem) : undefined;
  }

  #listen(call: Call, signal: AbortSignal | undefined): void {
    if (signal === undefined || call.settled) return;
    const cancel = (): void => {
      call.at?.cancel(call);
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

  /** Sends the call, or lets it wait for an endpoint with room; calls that wait already go first. */
  #dispatch(call: Call): void {
    if (this.#line.isEmpty && this.#trySend(call)) return;
    const hopeless = this.#hopeless();
    if (hopeless !== undefined) this.#fail(call, hopeless);
    else if (!this.#line.join(call)) this.#fail(call, fullError());
  }

  #trySend(call: Call): boolean {
    const nowMs = this.#clock.monotonic();
    const endpoint = choose(this.#pool.best(nowMs), call.avoid, nowMs, this.#random);
    if (endpoint === undefined) return false;
    call.attempt++;
    if (!endpoint.send(call, nowMs)) {
      call.attempt--;
      return false;
    }
    if (call.attempt > 1) this.#counts.retries++;
    call.at = endpoint;
    call.avoid = undefined;
    return true;
  }

  #answered(call: Call, result: { readonly value: unknown } | ServiceError): void {
    const endpoint = call.at;
    call.at = undefined;
    if (!call.settled) {
      if (!(result instanceof ServiceError)) this.#succeed(call, result.value);
      else if (endpoint !== undefined) this.#retry(call, result, endpoint);
      else this.#fail(call, result);
    }
    if (!this.#line.isEmpty) this.#line.pump();
  }

  #retry(call: Call, error: ServiceError, endpoint: Endpoint): void {
    call.lastError = error;
    if (error.fate === "maybe-executed") call.maybeExecuted = true;
    const nowMs = this.#clock.monotonic();
    this.#pool.lookAgain();
    const elsewhere = this.#pool.best(nowMs).some((other) => other !== endpoint && other.hasRoom(nowMs));
    const repeatable = endpoint.isRepeatable(call);
    const decision = decide({ error, attempt: call.attempt, repeatable, elsewhere }, this.#budget, this.#random);
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

  #late(call: Call, withinMs: number): void {
    call.at?.cancel(call);
    this.#fail(call, lateError(call, withinMs, this.#options.service, this.counters, this.#pool.problem));
  }

  #succeed(call: Call, value: unknown): void {
    this.#settle(call);
    this.#counts.succeeded++;
    call.resolve(value);
  }

  #fail(call: Call, error: ServiceError): void {
    if (call.settled) return;
    this.#settle(call);
    this.#counts.failed++;
    call.reject(error);
  }

  #settle(call: Call): void {
    call.settled = true;
    call.timer?.cancel();
    call.retryTimer?.cancel();
    call.unlisten?.();
    this.#live.delete(call);
  }
}
