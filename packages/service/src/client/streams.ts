// The streams of a client: finds an endpoint for each, and another when it was refused, within the time that calls have; from then on a
// stream has only its own deadline. Nothing is sent twice.
import type { Clock, Random, Timer } from "@wherry/core";
import { currentContext } from "../current-context.ts";
import { ServiceError } from "../errors.ts";
import { retryFirstMs, retryMaxMs, waitingCallsMax } from "../limits.ts";
import { uint32Of } from "../protocol/frames.ts";
import type { StreamOptions } from "../stream/types.ts";
import { openTelemetry } from "../tracing/open-telemetry.ts";
import { checkText } from "./call.ts";
import type { Endpoint } from "./endpoint.ts";
import { closedError, fullError } from "./failures.ts";
import { backoffMs } from "./retry.ts";
import { ClientStream } from "./stream.ts";

export interface StreamsOptions {
  readonly service: string;
  /** Milliseconds to be taken by a pod. */
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** The endpoints that are chosen from now. */
  readonly best: (nowMs: number) => readonly Endpoint[];
  /** Why there are none, in words. */
  readonly situation: () => string;
}

/** A stream's timers, and the signals that it listens to. */
interface Bounds {
  readonly deadlineMs: number;
  opening: Timer | undefined;
  ending: Timer | undefined;
  retry: Timer | undefined;
  unlisten: () => void;
}

/** Codes that stay true wherever the stream goes. */
const final: ReadonlySet<string> = new Set(["CANCELLED", "DEADLINE_EXCEEDED", "VERSION"]);

/** Refusals after which it goes elsewhere at once; after them, it waits. */
const attemptsAtOnce = 3;

export class Streams {
  readonly #options: StreamsOptions;
  readonly #bounds: Map<ClientStream, Bounds> = new Map();
  readonly #waiting: Set<ClientStream> = new Set();
  #closed = false;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** See `ClientBase.stream`. */
  open(method: string, input: unknown, options: StreamOptions = {}): ClientStream {
    const parent = options.parent === undefined ? currentContext() : options.parent;
    const { key = "" } = options;
    const given = options.trace ?? parent?.trace ?? "";
    const givenState = options.trace === undefined ? (parent?.traceState ?? "") : "";
    checkText("method", method);
    checkText("key", key);
    checkText("trace", given);
    const span = openTelemetry()?.call(this.#options.service, method, given, givenState);
    const [trace, traceState] = [span?.traceparent ?? given, span?.tracestate ?? givenState];
    const stream = new ClientStream({ method, given: input, key, trace, traceState, span }, this.#host);
    const { clock, deadlineMs: openMs } = this.#options;
    const withinMs = Math.min(options.deadlineMs ?? Number.POSITIVE_INFINITY, parent?.remainingMs ?? Infinity);
    const nothing = { opening: undefined, ending: undefined, retry: undefined, unlisten: (): void => undefined };
    const bounds: Bounds = { deadlineMs: clock.monotonic() + withinMs, ...nothing };
    this.#bounds.set(stream, bounds);
    if (this.#closed) stream.fail(closedError());
    else if (this.#waiting.size >= waitingCallsMax) stream.fail(fullError());
    else {
      bounds.opening = clock.timer(openMs, () => stream.abandon(this.#notTaken(stream)));
      if (withinMs !== Number.POSITIVE_INFINITY)
        bounds.ending = clock.timer(withinMs, () => stream.abandon(tooLate(stream, withinMs)));
      this.#listen(stream, bounds, [options.signal, parent?.signal]);
      this.#place(stream);
    }
    return stream;
  }

  readonly #host = {
    refused: (stream: ClientStream, error: ServiceError): void => this.#refused(stream, error),
    taken: (stream: ClientStream): void => this.#bounds.get(stream)?.opening?.cancel(),
    over: (stream: ClientStream): void => this.#over(stream),
  };

  /** Endpoints changed: who waits may find one. */
  changed(): void {
    for (const stream of [...this.#waiting]) this.#place(stream);
  }

  close(): void {
    this.#closed = true;
    for (const stream of [...this.#bounds.keys()]) stream.abandon(closedError());
  }

  #listen(stream: ClientStream, bounds: Bounds, signals: readonly (AbortSignal | undefined)[]): void {
    for (const signal of signals) {
      if (signal === undefined) continue;
      const cancel = (): void => {
        const fate = stream.state === "waiting" ? "not-started" : "maybe-executed";
        const options = { fate, cause: signal.reason as unknown } as const;
        stream.abandon(new ServiceError("CANCELLED", "the caller cancelled the stream", options));
      };
      const before = bounds.unlisten;
      bounds.unlisten = () => {
        before();
        signal.removeEventListener("abort", cancel);
      };
      if (signal.aborted) cancel();
      else signal.addEventListener("abort", cancel, { once: true });
    }
  }

  /** Opens it at the less busy of two endpoints taken at random, or lets it wait for one. */
  #place(stream: ClientStream): void {
    this.#waiting.delete(stream);
    const bounds = this.#bounds.get(stream);
    if (stream.state !== "waiting" || bounds === undefined) return;
    const { clock } = this.#options;
    const nowMs = clock.monotonic();
    const endpoint = this.#choose(stream.at, nowMs);
    const leftMs = bounds.deadlineMs - nowMs;
    const onWireMs = leftMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, uint32Of(leftMs));
    try {
      if (endpoint === undefined || !stream.open(endpoint, onWireMs)) this.#waiting.add(stream);
    } catch (error) {
      // What JSON cannot hold, or no iterable: the caller's own mistake.
      stream.fail(error);
    }
  }

  #choose(avoid: Endpoint | undefined, nowMs: number): Endpoint | undefined {
    const best = this.#options.best(nowMs);
    const others = best.filter((endpoint) => endpoint !== avoid);
    const candidates = others.length > 0 ? others : best;
    if (candidates.length < 2) return candidates[0];
    const { random } = this.#options;
    const first = random.below(candidates.length);
    const second = (first + 1 + random.below(candidates.length - 1)) % candidates.length;
    const [a, b] = [candidates[first], candidates[second]];
    return a !== undefined && b !== undefined && busyness(b) < busyness(a) ? b : a;
  }

  #refused(stream: ClientStream, error: ServiceError): void {
    const bounds = this.#bounds.get(stream);
    if (final.has(error.code) || bounds === undefined) {
      stream.fail(error);
      return;
    }
    const { clock, random, best } = this.#options;
    const elsewhere = best(clock.monotonic()).some((endpoint) => endpoint !== stream.at);
    if (elsewhere && stream.attempt < attemptsAtOnce) {
      this.#place(stream);
      return;
    }
    const pauseMs = Math.max(
      backoffMs(stream.attempt, { backoffFirstMs: retryFirstMs, backoffMaxMs: retryMaxMs }, random),
      elsewhere ? 0 : (error.retryAfterMs ?? 0),
    );
    bounds.retry = clock.timer(pauseMs, () => this.#place(stream));
  }

  #notTaken({ attempt, state, lastError }: ClientStream): ServiceError {
    const { service, deadlineMs, situation } = this.#options;
    const details = { attempts: attempt, lastCode: lastError?.code };
    const fate = state === "waiting" ? "not-started" : "maybe-executed";
    const why = lastError?.message ?? (state === "waiting" ? situation() : "it was sent, and not answered");
    const message = `no endpoint of ${service} took the stream within ${deadlineMs} ms; ${why}`;
    return new ServiceError("UNAVAILABLE", message, { fate, retryable: true, details });
  }

  #over(stream: ClientStream): void {
    const bounds = this.#bounds.get(stream);
    this.#bounds.delete(stream);
    this.#waiting.delete(stream);
    bounds?.opening?.cancel();
    bounds?.ending?.cancel();
    bounds?.retry?.cancel();
    bounds?.unlisten();
  }
}

function busyness({ load, channels }: Endpoint): number {
  return load + channels.size;
}

function tooLate({ state }: ClientStream, withinMs: number): ServiceError {
  const fate = state === "waiting" ? "not-started" : "maybe-executed";
  return new ServiceError("DEADLINE_EXCEEDED", `the stream had not ended within ${withinMs} ms`, { fate });
}
