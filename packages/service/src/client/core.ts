// The client: holds every call until its fate is known, and moves it from endpoint to endpoint within its one deadline.
// Where pods are comes from a `Discovery`, connections from a factory, so that a test holds both.
import { BoundedQueue, type Clock, type Logger, type Random, type Timer } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { endpointsMax, pingIntervalMs, waitingCallsMax } from "../limits.ts";
import { encodeContent } from "../protocol/content.ts";
import { closedError, fullError, hopelessError, lateError } from "./late.ts";
import { bestOf, choose } from "./balancer.ts";
import { type Call, checkText, errorOfCall, fateOfUnanswered } from "./call.ts";
import type { Discovery, DiscoveryProblem, Target } from "./discovery.ts";
import { type ClientSocket, Endpoint } from "./endpoint.ts";
import { backoffMs, decide, RetryBudget } from "./retry.ts";
import type { CallOptions, ClientCounters } from "./types.ts";

export interface ClientCoreOptions {
  /** The service's name, for messages. */
  readonly service: string;
  /** What this client calls itself. */
  readonly name: string;
  readonly deadlineMs: number;
  readonly discovery: Discovery;
  readonly socket: () => ClientSocket;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class ClientCore {
  readonly #options: ClientCoreOptions;
  readonly #clock: Clock;
  readonly #endpoints: Map<string, Endpoint> = new Map();
  /** No longer listed, with replies still to come. */
  readonly #retired: Set<Endpoint> = new Set();
  readonly #waiting: BoundedQueue<Call> = new BoundedQueue(waitingCallsMax);
  readonly #live: Set<Call> = new Set();
  readonly #budget: RetryBudget = new RetryBudget();
  readonly #stop: AbortController = new AbortController();
  readonly #counts = { calls: 0, succeeded: 0, failed: 0, retries: 0 };
  /** `bestOf` the endpoints; undefined when something changed since. */
  #best: readonly Endpoint[] | undefined;
  /** Why the endpoints can't be found out now. */
  #problem: DiscoveryProblem | undefined;
  #lastId = 0;
  #pingTimer: Timer | undefined;
  #wakeTimer: Timer | undefined;

  constructor(options: ClientCoreOptions) {
    this.#options = options;
    this.#clock = options.clock;
    options.discovery.start(
      (targets) => this.#setTargets(targets),
      this.#stop.signal,
      (problem) => this.#troubled(problem),
    );
    this.#pingLater();
  }

  get counters(): ClientCounters {
    const available = [...this.#endpoints.values()].filter(({ state }) => state === "open").length;
    return { ...this.#counts, endpoints: this.#endpoints.size, available };
  }

  /** See `ClientBase.call`. */
  call(method: string, value: unknown, options: CallOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { parent, signal } = options;
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
    this.#pingTimer?.cancel();
    this.#wakeTimer?.cancel();
    for (const call of [...this.#live]) this.#fail(call, closedError());
    await Promise.all([...this.#endpoints.values(), ...this.#retired].map((endpoint) => endpoint.close()));
    this.#endpoints.clear();
  }

  /** With endpoints, the client goes on with them. Without any, calls need not wait for what only a person can mend. */
  #troubled(problem: DiscoveryProblem): void {
    this.#problem = problem;
    const hopeless = this.#hopeless();
    if (hopeless !== undefined) for (const call of this.#waiting.drain()) this.#fail(call, hopeless);
  }

  #hopeless(): ServiceError | undefined {
    if (this.#problem?.lasting !== true || this.#endpoints.size > 0) return undefined;
    return hopelessError(this.#options.service, this.#problem);
  }

  #setTargets(targets: readonly Target[]): void {
    if (this.#stop.signal.aborted) return;
    this.#problem = undefined;
    if (targets.length > endpointsMax)
      this.#options.log.warn(
        { endpoints: targets.length },
        `more endpoints than ${endpointsMax}: the rest is not used`,
      );
    const listed = new Map(
      targets.slice(0, endpointsMax).map((target) => [`${target.address} ${target.pod ?? ""}`, target]),
    );
    for (const [key, endpoint] of this.#endpoints) {
      if (listed.has(key)) continue;
      this.#endpoints.delete(key);
      this.#retired.add(endpoint);
      endpoint.retire();
    }
    for (const [key, target] of listed) {
      const known = this.#endpoints.get(key);
      if (known === undefined) this.#endpoints.set(key, this.#connect(target));
      else known.update(target);
    }
    for (const endpoint of this.#retired) if (endpoint.state === "closed") this.#retired.delete(endpoint);
    this.#changed();
  }

  #connect(target: Target): Endpoint {
    const { name, log, socket } = this.#options;
    return new Endpoint(target, socket(), name, this.#clock, log, {
      answered: (call, result) => this.#answered(call, result),
      changed: () => this.#changed(),
    });
  }

  #changed(): void {
    this.#best = undefined;
    this.#pump();
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
    if (this.#waiting.size === 0 && this.#trySend(call)) return;
    // In the queue it may not be choosy: those behind it would wait for what it avoids.
    call.avoid = undefined;
    const hopeless = this.#hopeless();
    if (hopeless !== undefined) this.#fail(call, hopeless);
    else if (this.#waiting.push(call)) this.#wakeWhenRoom();
    else this.#fail(call, fullError());
  }

  #trySend(call: Call): boolean {
    const nowMs = this.#clock.monotonic();
    this.#best ??= bestOf(this.#endpoints.values(), nowMs);
    const endpoint = choose(this.#best, call.avoid, nowMs, this.#options.random);
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

  #pump(): void {
    for (let call = this.#waiting.peek(); call !== undefined; call = this.#waiting.peek()) {
      if (!call.settled && !this.#trySend(call)) {
        this.#wakeWhenRoom();
        return;
      }
      this.#waiting.shift();
    }
  }

  /** An endpoint that said BUSY gets room again by time alone: nothing else would wake the calls that wait for it. */
  #wakeWhenRoom(): void {
    if (this.#wakeTimer !== undefined) return;
    const nowMs = this.#clock.monotonic();
    let soonestMs = Infinity;
    for (const { notBeforeMs, state } of this.#endpoints.values())
      if (state === "open" && notBeforeMs > nowMs) soonestMs = Math.min(soonestMs, notBeforeMs);
    if (soonestMs === Infinity) return;
    this.#wakeTimer = this.#clock.timer(Math.ceil(soonestMs - nowMs), () => {
      this.#wakeTimer = undefined;
      this.#pump();
    });
  }

  #answered(call: Call, result: { readonly value: unknown } | ServiceError): void {
    const endpoint = call.at;
    call.at = undefined;
    if (!call.settled) {
      if (!(result instanceof ServiceError)) this.#succeed(call, result.value);
      else if (endpoint !== undefined) this.#retry(call, result, endpoint);
      else this.#fail(call, result);
    }
    if (this.#waiting.size > 0) this.#pump();
  }

  #retry(call: Call, error: ServiceError, endpoint: Endpoint): void {
    call.lastError = error;
    if (error.fate === "maybe-executed") call.maybeExecuted = true;
    const nowMs = this.#clock.monotonic();
    this.#best = undefined;
    const best = bestOf(this.#endpoints.values(), nowMs);
    const elsewhere = best.some((other) => other !== endpoint && other.hasRoom(nowMs));
    const repeatable = endpoint.isRepeatable(call);
    const { random } = this.#options;
    const decision = decide({ error, attempt: call.attempt, repeatable, elsewhere }, this.#budget, random);
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
    this.#fail(call, lateError(call, withinMs, this.#options.service, this.counters, this.#problem));
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

  #pingLater(): void {
    // Jitter, so that many clients do not ping in step.
    const delayMs = backoffMs(1, this.#options.random) + pingIntervalMs;
    this.#pingTimer = this.#clock.timer(
      delayMs,
      () => {
        for (const endpoint of this.#endpoints.values()) endpoint.ping();
        this.#changed();
        this.#pingLater();
      },
      { background: true },
    );
  }
}
