// What a handler is told beside the body: of a request, and of a stream. What costs something is made when it is first asked for.
import { makeError } from "../method-errors.ts";
import type { AmbientContext } from "../current-context.ts";
import { ServiceError } from "../errors.ts";
import { templated } from "../log/logger.ts";
import type { Log } from "../log/types.ts";
import type { RequestContext, RequestState } from "../handler.ts";
import type { StreamContext } from "../stream/types.ts";
import { parseTraceParent } from "../tracing/trace-context.ts";
import type { Caller, Incoming } from "./caller.ts";
import type { Host } from "./host.ts";

/** What a context asks of its server. */
type ContextHost = Pick<Host, "clock" | "log" | "traceIds" | "publish">;

/** What a context takes from the request, which it does not keep: a body may be large. */
type Asked = Pick<Incoming, "method" | "key" | "attempt" | "trace" | "traceState">;
type Asker = Pick<Caller, "address" | "userId">;

/** The context of a request's handler. */
export class JobContext implements AmbientContext {
  readonly method: string;
  readonly key: string | undefined;
  readonly attempt: number;
  readonly traceState: string;
  /** `traceparent` of the caller; empty for none. */
  readonly callerTrace: string;
  readonly peer: string;
  readonly userId: string | undefined;
  readonly #deadlineMs: number;
  readonly #host: ContextHost;
  #log: Log | undefined;
  #abort: AbortController | undefined;
  #timer: { cancel(): void } | undefined;
  #aborted: Error | undefined;
  #state: RequestState | undefined;
  #trace: string | undefined;
  /** At the deadline, whoever made it aborts it: nothing here does. */
  protected readonly timedElsewhere: boolean = false;
  /** The request is answered. */
  finished = false;

  constructor(asked: Asked, caller: Asker, deadlineMs: number, host: ContextHost) {
    this.method = asked.method;
    this.key = asked.key === "" ? undefined : asked.key;
    this.attempt = asked.attempt;
    this.traceState = asked.traceState ?? "";
    this.callerTrace = asked.trace;
    this.peer = caller.address;
    this.userId = caller.userId;
    this.#deadlineMs = deadlineMs;
    this.#host = host;
  }

  get state(): RequestState {
    return (this.#state ??= {});
  }

  get trace(): string {
    return (this.#trace ??= this.#host.traceIds.childOf(this.callerTrace));
  }

  /** Of the span that records this request. */
  set trace(traceparent: string) {
    this.#trace = traceparent;
  }

  get error(): RequestContext["error"] {
    return makeError;
  }

  get remainingMs(): number {
    return Math.max(0, this.#deadlineMs - this.#host.clock.monotonic());
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#aborted !== undefined) this.#abort.abort(this.#aborted);
      else if (this.#deadlineMs !== Number.POSITIVE_INFINITY && !this.timedElsewhere) {
        const late = (): void => this.abort(new DOMException("the caller's deadline passed", "TimeoutError"));
        this.#timer = this.#host.clock.timer(this.remainingMs, late, { background: true });
      }
    }
    return this.#abort.signal;
  }

  get log(): Log {
    if (this.#log === undefined) {
      const { traceId, spanId } = parseTraceParent(this.trace) ?? {};
      const fields = { method: this.method, peer: this.peer, trace_id: traceId, span_id: spanId };
      this.#log = templated(this.#host.log.child(fields));
    }
    return this.#log;
  }

  get publish(): RequestContext["publish"] {
    return (topic, event, options) => this.#host.publish(topic, event, options);
  }

  abort(reason: Error): void {
    this.#aborted ??= reason;
    this.#abort?.abort(reason);
    this.#timer?.cancel();
  }

  /** What the caller is told when all that the handler threw is that its signal was aborted: that is no bug of the handler. */
  answerOfAbort(thrown: unknown): ServiceError | undefined {
    const reason = this.#aborted;
    if (reason === undefined || !isEchoOf(reason, thrown)) return undefined;
    const code = ServiceError.is(reason) ? reason.code : "DEADLINE_EXCEEDED";
    const message = `${reason.message}; the handler stopped, and may have had its effect`;
    return new ServiceError(code, message, { fate: "maybe-executed", cause: thrown });
  }

  /** It is answered: the deadline's timer ends, and nothing inherits from it any more. */
  finish(): void {
    this.finished = true;
    this.#timer?.cancel();
  }
}

/** Functions that take a signal throw its reason, or an `AbortError` of their own. */
export function isEchoOf(reason: Error, thrown: unknown): boolean {
  return thrown === reason || (thrown instanceof Error && (thrown.name === "AbortError" || thrown.cause === reason));
}

/** The context of a stream's handler. */
export class StreamJobContext extends JobContext implements StreamContext {
  /** By the stream, whose answer must say so: of two timers the handler's might come first, and what it returns then be the answer. */
  protected override readonly timedElsewhere: boolean = true;
  after = 0;
  #leaving: AbortController | undefined;
  #left = false;

  get leaving(): AbortSignal {
    if (this.#leaving === undefined) {
      this.#leaving = new AbortController();
      if (this.#left) this.leave();
    }
    return this.#leaving.signal;
  }

  leave(): void {
    this.#left = true;
    this.#leaving?.abort(new DOMException("the service is leaving", "AbortError"));
  }
}
