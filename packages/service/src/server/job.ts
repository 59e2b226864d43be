// One request, or one raw message, from its arrival to its answer.
import type { Clock, Logger } from "@wherry/core";
import { makeError } from "../contract.ts";
import { templated } from "../log/logger.ts";
import type { Log } from "../log/types.ts";
import { ServiceError } from "../errors.ts";
import type { ContentType } from "../protocol/codes.ts";
import type { AmbientContext } from "../current-context.ts";
import type { Method, RequestContext, RequestState } from "../service.ts";
import type { StreamContext } from "../stream/types.ts";
import type { PublishOptions, Published } from "../topic.ts";
import type { CallSpan } from "../tracing/open-telemetry.ts";
import { parseTraceParent, type TraceIds } from "../tracing/trace-context.ts";
import type { Caller } from "./caller.ts";
import type { Session } from "./session.ts";

interface JobCommon {
  /** By `Clock.monotonic`, milliseconds. Raw messages get the time at which they would make the service stuck. */
  readonly arrivedMs: number;
  readonly deadlineMs: number;
  startedMs: number;
  /** When it was answered; 0 before. */
  endedMs: number;
  /** A request is at all times one of these. */
  state: "queued" | "running" | "answered";
}

export interface RequestJob extends JobCommon {
  readonly kind: "request";
  readonly caller: Caller;
  /** The caller's number for it. */
  readonly id: number;
  readonly method: Method;
  readonly content: ContentType;
  readonly body: Uint8Array | undefined;
  readonly context: JobContext;
  /** Records it, where somebody wants that. */
  span: CallSpan | undefined;
}

export interface RawJob extends JobCommon {
  readonly kind: "raw";
  /** Who sent it; undefined when it has left already. */
  readonly session: Session | undefined;
  /** Without the delimiter. */
  readonly frames: readonly Uint8Array[];
  /** REQ's empty first frame, to be given back. */
  readonly delimited: boolean;
}

export type Job = RequestJob | RawJob;

/** Of its body, or its frames. */
export function bytesOf(job: Job): number {
  if (job.kind === "request") return job.body?.length ?? 0;
  return job.frames.reduce((sum, frame) => sum + frame.length, 0);
}

/** What it takes of the service's budget while it waits: nothing where its caller holds its body anyway. */
export function heldBytes(job: Job): number {
  return job.kind === "request" && job.caller.holdsBody === true ? 0 : bytesOf(job);
}

/** What contexts need of their server. */
interface Host {
  readonly clock: Clock;
  readonly log: Logger;
  readonly traceIds: TraceIds;
  publish(topic: string, event: unknown, options?: PublishOptions): Published;
}

/** The context that a handler sees. What costs something is made when it is first asked for. */
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
  readonly #host: Host;
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

  constructor(
    facts: Pick<JobContext, "method" | "key" | "attempt" | "callerTrace" | "traceState" | "peer" | "userId">,
    deadlineMs: number,
    host: Host,
  ) {
    this.method = facts.method;
    this.key = facts.key;
    this.attempt = facts.attempt;
    this.traceState = facts.traceState;
    this.callerTrace = facts.callerTrace;
    this.peer = facts.peer;
    this.userId = facts.userId;
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
