// One call of a method, from its caller's request to its settlement; the client keeps it until it knows its fate.
import type { Timer } from "@wherry/core";
import { type RequestFate, ServiceError } from "../errors.ts";
import { textBytesMax } from "../limits.ts";
import type { ContentType } from "../protocol/codes.ts";
import type { Endpoint } from "./endpoint.ts";

export interface Call {
  readonly id: number;
  readonly method: string;
  readonly content: ContentType;
  readonly body: Uint8Array | undefined;
  readonly key: string;
  readonly trace: string;
  /** What the caller said; undefined leaves it to the service. */
  readonly idempotent: boolean | undefined;
  /** By `Clock.monotonic`, over all attempts. */
  readonly deadlineMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  settled: boolean;
  /** Attempts made. */
  attempt: number;
  /** Where it is outstanding. */
  at: Endpoint | undefined;
  /** Where it just failed; others are preferred. */
  avoid: Endpoint | undefined;
  lastError: ServiceError | undefined;
  /** An earlier attempt may have had its effect: whatever a later one says, that stays true. */
  maybeExecuted: boolean;
  timer: Timer | undefined;
  retryTimer: Timer | undefined;
  /** Stops listening to the caller's signal. */
  unlisten: (() => void) | undefined;
}

/** What is known of a call that has no answer yet. */
export function fateOfUnanswered(call: Call): RequestFate {
  return call.at === undefined && !call.maybeExecuted ? "not-started" : "maybe-executed";
}

/** The last attempt's error, as it is true of the whole call. */
export function errorOfCall(call: Call, error: ServiceError): ServiceError {
  if (!call.maybeExecuted || error.fate !== "not-started") return error;
  const { code, message, retryable, details } = error;
  return new ServiceError(code, message, { retryable, details, fate: "maybe-executed", cause: error });
}

/** @throws TypeError for what is too long for a header: a bug of the caller. */
export function checkText(what: string, text: string): void {
  if (Buffer.byteLength(text) > textBytesMax)
    throw new TypeError(`${what}: expected at most ${textBytesMax} bytes, got ${Buffer.byteLength(text)}`);
}
