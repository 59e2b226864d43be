// One request, or one raw message, from its arrival to its answer.
import type { Clock, Logger } from "@wherry/core";
import { makeError } from "../contract.ts";
import { templated } from "../log/logger.ts";
import type { Log } from "../log/types.ts";
import type { ContentType } from "../protocol/codes.ts";
import type { AmbientContext } from "../current-context.ts";
import type { Method, RequestContext, RequestState } from "../service.ts";
import type { StreamContext } from "../stream/types.ts";
import type { PublishOptions, Published } from "../topic.ts";
import type { Caller } from "./caller.ts";
import type { Session } from "./session.ts";

interface JobCommon {
  /** By `Clock.monotonic`, milliseconds. Raw messages get the time at which they would make the service stuck. */
  readonly arrivedMs: number;
  readonly deadlineMs: number;
  startedMs: number;
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

/** What contexts need of their server. */
interface Host {
  readonly clock: Clock;
  readonly log: Logger;
  publish(topic: string, event: unknown, options?: PublishOptions): Published;
}

/** The context that a handler sees. What costs something is made when it is first asked for. */
export class JobContext implements AmbientContext {
  readonly method: string;
  readonly key: string | undefined;
  readonly attempt: number;
  readonly trace: string | undefined;
  readonly peer: string;
  readonly #deadlineMs: number;
  readonly #host: Host;
  #log: Log | undefined;
  #abort: AbortController | undefined;
  #timer: { cancel(): void } | undefined;
  #aborted: Error | undefined;
  #state: RequestState | undefined;
  /** The request is answered. */
  finished = false;

  constructor(
    facts: Pick<RequestContext, "method" | "key" | "attempt" | "trace" | "peer">,
    deadlineMs: number,
    host: Host,
  ) {
    this.method = facts.method;
    this.key = facts.key;
    this.attempt = facts.attempt;
    this.trace = facts.trace;
    this.peer = facts.peer;
    this.#deadlineMs = deadlineMs;
    this.#host = host;
  }

  get state(): RequestState {
    return (this.#state ??= {});
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
      else if (this.#deadlineMs !== Number.POSITIVE_INFINITY) {
        const late = (): void => this.abort(new DOMException("the caller's deadline passed", "TimeoutError"));
        this.#timer = this.#host.clock.timer(this.remainingMs, late, { background: true });
      }
    }
    return this.#abort.signal;
  }

  get log(): Log {
    if (this.#log === undefined) {
      const fields = { method: this.method, peer: this.peer };
      this.#log = templated(this.#host.log.child(this.trace === undefined ? fields : { ...fields, trace: this.trace }));
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

  /** It is answered: the deadline's timer ends, and nothing inherits from it any more. */
  finish(): void {
    this.finished = true;
    this.#timer?.cancel();
  }
}

/** The context of a stream's handler. */
export class StreamJobContext extends JobContext implements StreamContext {
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
