// A service's errors as HTTP answers: the status of each code, and problem details (RFC 9457) that carry what a ZeroMQ caller
// gets: code, fate, retryable, details. Pure.
import type { ServiceError } from "../errors.ts";
import type { FrameworkCode } from "../protocol/codes.ts";

/**
 * Status by code. 503 says "not done, try another or later", and proxies act upon it: only what certainly did not start has it.
 * TOO_LARGE is about a reply here; a request's size is looked at before.
 */
const statuses: Readonly<Record<FrameworkCode, number>> = {
  INVALID: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  TOO_LARGE: 500,
  DEADLINE_EXCEEDED: 504,
  CANCELLED: 500,
  BUSY: 503,
  REFUSED: 503,
  ABORTED: 500,
  UNAVAILABLE: 503,
  MISSED: 500,
  CIRCUIT_OPEN: 503,
  VERSION: 500,
  CLOSED: 500,
};

/** Of errors that the service itself defines. */
const ownStatus = 422;
/** Of a call that the method itself made, and whose error it passed on: the method ran. */
const passedOnStatus = 502;
const passedOn: ReadonlySet<string> = new Set<FrameworkCode>([
  "BUSY",
  "REFUSED",
  "UNAVAILABLE",
  "ABORTED",
  "CIRCUIT_OPEN",
  "VERSION",
]);

function statusOf({ code, status, fate }: ServiceError): number {
  if (status !== undefined) return status;
  if (fate === "answered" && passedOn.has(code)) return passedOnStatus;
  return Object.hasOwn(statuses, code) ? statuses[code as FrameworkCode] : ownStatus;
}

/** Without a `type`, which RFC 9457 reads as "the title is the status's": `code` is what programs match on. */
export interface Problem {
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly fate: ServiceError["fate"];
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly details: Readonly<Record<string, unknown>>;
}

/** @param titles Node's `STATUS_CODES` */
export function problemOf(error: ServiceError, titles: Readonly<Record<string, string | undefined>>): Problem {
  const { code, message, fate, retryable, retryAfterMs, details } = error;
  const status = statusOf(error);
  return {
    title: titles[status] ?? "Error",
    status,
    detail: message,
    code,
    fate,
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }),
    details,
  };
}

/** Seconds for `Retry-After`, where trying again makes sense and the error says so or has the status for it. */
export function retryAfterSeconds(error: ServiceError): number | undefined {
  if (error.retryAfterMs !== undefined) return Math.ceil(error.retryAfterMs / 1000);
  return statusOf(error) === 503 ? (error.code === "REFUSED" ? 0 : 1) : undefined;
}
