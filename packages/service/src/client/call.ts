// One call of a method, from its caller's request to its settlement, and its attempts; the client keeps it until it knows its
// fate. Data and small truths about it; core.ts moves it.
import type { Timer } from "@wherry/core";
import { type RequestFate, ServiceError } from "../errors.ts";
import { textBytesMax } from "../limits.ts";
import type { ContentType } from "../protocol/codes.ts";
import type { CallSpan } from "../tracing/open-telemetry.ts";
import type { Admission } from "./breaker.ts";
import type { Timed, TimedList } from "./deadlines.ts";
import type { Endpoint } from "./endpoint.ts";
import type { MethodPolicy } from "./policy.ts";

/** One request at one endpoint. A call makes several: one after the other when it is repeated, at once when it is hedged. */
export interface Attempt {
  /** On the wire; unique among this client's outstanding ones. */
  readonly id: number;
  /** 1 for its call's first. */
  readonly number: number;
  readonly call: Call;
  readonly endpoint: Endpoint;
  /** By `Clock.monotonic`. */
  readonly sentMs: number;
  /** Sent while another one was outstanding. */
  readonly hedge: boolean;
  /** Nobody waits for it any more: its answer only frees the credit. */
  abandoned: boolean;
  /** Gives it up. */
  timer: Timer | undefined;
}

export const none: readonly Attempt[] = [];

/** What a call is from its beginning. */
export interface CallFacts {
  readonly method: string;
  readonly content: ContentType;
  /** JSON is text. */
  readonly body: string | Uint8Array | undefined;
  readonly key: string;
  readonly trace: string;
  readonly traceState: string;
  /** Records it, where somebody wants that. */
  readonly span: CallSpan | undefined;
  /** Equal ones go to the same pod. */
  readonly affinity: string | undefined;
  /** The one instance that it is for. */
  readonly to: string | undefined;
  readonly policy: MethodPolicy;
  /** By `Clock.monotonic`, over all attempts. */
  readonly deadlineMs: number;
  /** Milliseconds from its beginning to its deadline. */
  readonly withinMs: number;
}

export class Call implements CallFacts, Timed {
  readonly method: string;
  readonly content: ContentType;
  readonly body: string | Uint8Array | undefined;
  readonly key: string;
  readonly trace: string;
  readonly traceState: string;
  readonly span: CallSpan | undefined;
  readonly affinity: string | undefined;
  readonly to: string | undefined;
  readonly policy: MethodPolicy;
  readonly deadlineMs: number;
  readonly withinMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  settled = false;
  /** What its circuit breaker let it through as. */
  admission: Admission | undefined = undefined;
  /** Attempts made, hedges among them. */
  attempts = 0;
  hedges = 0;
  /** Attempts that are outstanding; mostly one. Replaced, never changed. */
  open: readonly Attempt[] = none;
  /** Where it just failed; others are preferred. */
  avoid: Endpoint | undefined = undefined;
  lastError: ServiceError | undefined = undefined;
  /** An earlier attempt may have had its effect: whatever a later one says, that stays true. */
  maybeExecuted = false;
  /** Pods that ended while they had it: 1 for each whose handler threw, a half for each that died otherwise. */
  crashes = 0;
  retryTimer: Timer | undefined = undefined;
  hedgeTimer: Timer | undefined = undefined;
  /** Its place among those that have as much time (deadlines.ts). */
  earlier: Timed | undefined = undefined;
  later: Timed | undefined = undefined;
  list: TimedList | undefined = undefined;
  /** Stops listening to the caller's signal. */
  unlisten: (() => void) | undefined = undefined;

  constructor(facts: CallFacts, resolve: Call["resolve"], reject: Call["reject"]) {
    this.method = facts.method;
    this.content = facts.content;
    this.body = facts.body;
    this.key = facts.key;
    this.trace = facts.trace;
    this.traceState = facts.traceState;
    this.span = facts.span;
    this.affinity = facts.affinity;
    this.to = facts.to;
    this.policy = facts.policy;
    this.deadlineMs = facts.deadlineMs;
    this.withinMs = facts.withinMs;
    this.resolve = resolve;
    this.reject = reject;
  }
}

/** May this call only go to the endpoint that it names, or that its affinity gives it? */
export function isPinned({ affinity, to }: Call): boolean {
  return affinity !== undefined || to !== undefined;
}

/** Is one of its attempts outstanding there? */
export function isAt(call: Call, endpoint: Endpoint): boolean {
  for (const attempt of call.open) if (attempt.endpoint === endpoint) return true;
  return false;
}

/** What is known of a call that has no answer yet. */
export function fateOfUnanswered(call: Call): RequestFate {
  return call.open.length === 0 && !call.maybeExecuted ? "not-started" : "maybe-executed";
}

/** The last attempt's error, as it is true of the whole call. */
export function errorOfCall(call: Call, error: ServiceError): ServiceError {
  if (!call.maybeExecuted || error.fate !== "not-started") return error;
  const { code, message, retryable, details } = error;
  return new ServiceError(code, message, { retryable, details, fate: "maybe-executed", cause: error });
}

/** @throws TypeError for what is too long for a header: a bug of the caller. */
export function checkText(what: string, text: string): void {
  // A character takes three bytes at most: short texts need no counting.
  if (text.length * 3 <= textBytesMax) return;
  if (Buffer.byteLength(text) > textBytesMax)
    throw new TypeError(`${what}: expected at most ${textBytesMax} bytes, got ${Buffer.byteLength(text)}`);
}
