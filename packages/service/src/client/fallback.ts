// What a call resolves to when it failed without an answer and its caller has said what to do then.
import type { ServiceError } from "../errors.ts";
import type { Call } from "./call.ts";
import type { FallbackOf } from "./policy.ts";

/** Not instead of the method's own answer, and not when the caller itself ended the call. */
export function mayFallBack({ code, fate }: ServiceError): boolean {
  return fate !== "answered" && code !== "CANCELLED" && code !== "CLOSED";
}

export function fallBack(call: Call, { value }: FallbackOf, error: ServiceError): void {
  if (typeof value !== "function") {
    call.resolve(value);
    return;
  }
  try {
    call.resolve((value as (error: ServiceError) => unknown)(error));
  } catch (thrown) {
    call.reject(thrown);
  }
}
