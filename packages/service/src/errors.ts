// What goes wrong between a caller and a service, as typed errors. A handler that throws a `ServiceError` answers its
// caller with it; anything else that a handler throws is a bug and ends the process.
import { WherryError } from "@wherry/core";
import { codePattern, type Fate, type FrameworkCode, fate as fates } from "./protocol/codes.ts";

/** `answered`: the method's own answer. `not-started`: it never ran. `maybe-executed`: it may have had its effect. */
export type RequestFate = "answered" | "not-started" | "maybe-executed";

export interface ServiceErrorOptions {
  /** Can the same call succeed later, unchanged? Default false. */
  readonly retryable?: boolean;
  /** Facts for the caller: JSON values, never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** What is known of the request. Default `answered`: right for every error that a handler throws. */
  readonly fate?: RequestFate;
  /** When trying again makes sense, milliseconds from now. What is past, or no number, is 0: now. */
  readonly retryAfterMs?: number;
  /** What an HTTP caller gets as its status, 400 to 599. Default: by the code; 422 for a code of the service's own. */
  readonly status?: number;
  readonly cause?: unknown;
}

/**
 * An error that a caller is expected to handle.
 * @example throw new ServiceError("OUT_OF_STOCK", "expected at least 1 in stock, found 0; order later", { retryable: true });
 */
export class ServiceError extends WherryError {
  readonly fate: RequestFate;
  readonly retryAfterMs: number | undefined;
  /** HTTP status, where the thrower chose one. It stays with this process: a ZeroMQ caller never sees it. */
  readonly status: number | undefined;

  /** @param code upper case with underscores, at most 64 characters; see docs/reference/protocol.md for the framework's. */
  constructor(code: FrameworkCode | (string & {}), message: string, options: ServiceErrorOptions = {}) {
    if (!codePattern.test(code))
      throw new TypeError(
        `error code: expected upper case letters, digits and underscores, got ${JSON.stringify(code)}`,
      );
    const { status, retryAfterMs } = options;
    if (status !== undefined && !(Number.isInteger(status) && status >= 400 && status <= 599))
      throw new TypeError(`error status: expected a whole number from 400 to 599, got ${status}`);
    super(message, {
      code,
      retryable: options.retryable ?? false,
      ...(options.details === undefined ? {} : { details: options.details }),
      ...(options.cause === undefined ? {} : { cause: options.cause }),
    });
    this.fate = options.fate ?? "answered";
    // Many a one is the difference of two times. On the wire it has no sign: -1 would be 49 days.
    this.retryAfterMs = retryAfterMs === undefined ? undefined : retryAfterMs > 0 ? retryAfterMs : 0;
    this.status = status;
  }

  /** True for a `ServiceError` of any copy of this package, with this code if one is given. */
  static override is(error: unknown, code?: string): error is ServiceError {
    return WherryError.is(error, code) && "fate" in error;
  }
}

const names: readonly RequestFate[] = ["answered", "not-started", "maybe-executed"];

/** The fate as its byte on the wire. */
export function fateByte(fate: RequestFate): Fate {
  return names.indexOf(fate) as Fate;
}

/** The fate of its byte; an unknown byte means the careful thing. */
export function fateOf(byte: number): RequestFate {
  return names[byte] ?? names[fates.maybeExecuted] ?? "maybe-executed";
}
