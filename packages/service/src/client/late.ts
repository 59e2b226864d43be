// What a caller is told when its deadline passes: where the call was, what was tried, and what to look at.
import { ServiceError } from "../errors.ts";
import { type Call, fateOfUnanswered } from "./call.ts";
import type { ClientCounters } from "./types.ts";

type Availability = Pick<ClientCounters, "endpoints" | "available">;

/** UNAVAILABLE when no endpoint ever took the call, else DEADLINE_EXCEEDED. */
export function lateError(call: Call, withinMs: number, service: string, availability: Availability): ServiceError {
  const details = { attempts: call.attempt, lastCode: call.lastError?.code };
  const fate = fateOfUnanswered(call);
  const options = { fate, retryable: true, details } as const;
  if (call.attempt === 0) {
    const message = `no endpoint of ${service} took the call within ${withinMs} ms; ${situation(availability)}`;
    return new ServiceError("UNAVAILABLE", message, options);
  }
  const last = call.lastError?.message ?? "it was outstanding";
  const message = `no answer of ${service} within ${withinMs} ms and ${call.attempt} attempts; ${last}`;
  return new ServiceError("DEADLINE_EXCEEDED", message, options);
}

function situation({ endpoints, available }: Availability): string {
  if (endpoints === 0) return "no endpoint is known: is the service running, and its name right?";
  return available === 0
    ? `${endpoints} are known, none is connected`
    : `${available} of ${endpoints} are connected and full`;
}
