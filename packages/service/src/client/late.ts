// What a caller is told by its own client: above all when its deadline passes, where the call was, what was tried, and what to
// look at.
import { ServiceError } from "../errors.ts";
import { waitingCallsMax } from "../limits.ts";
import { type Call, fateOfUnanswered } from "./call.ts";
import type { DiscoveryProblem } from "./discovery.ts";
import type { ClientCounters } from "./types.ts";

type Availability = Pick<ClientCounters, "endpoints" | "available">;

/** UNAVAILABLE when no endpoint ever took the call, else DEADLINE_EXCEEDED. */
export function lateError(
  call: Call,
  withinMs: number,
  service: string,
  availability: Availability,
  problem: DiscoveryProblem | undefined,
): ServiceError {
  const details = { attempts: call.attempt, lastCode: call.lastError?.code };
  const fate = fateOfUnanswered(call);
  const options = { fate, retryable: true, details } as const;
  if (call.attempt === 0) {
    const message = `no endpoint of ${service} took the call within ${withinMs} ms; ${situation(availability, problem)}`;
    return new ServiceError("UNAVAILABLE", message, options);
  }
  const last = call.lastError?.message ?? "it was outstanding";
  const message = `no answer of ${service} within ${withinMs} ms and ${call.attempt} attempts; ${last}`;
  return new ServiceError("DEADLINE_EXCEEDED", message, options);
}

/** UNAVAILABLE at once: nothing that the client waits for will come by itself. */
export function hopelessError(service: string, { error }: DiscoveryProblem): ServiceError {
  const message = `no endpoint of ${service} can be found out: ${error.message}`;
  return new ServiceError("UNAVAILABLE", message, { fate: "not-started", retryable: true, cause: error });
}

function situation({ endpoints, available }: Availability, problem: DiscoveryProblem | undefined): string {
  if (endpoints === 0 && problem !== undefined)
    return `no endpoint is known, for the cluster can't be asked: ${problem.error.message}`;
  if (endpoints === 0) return "no endpoint is known: is the service running, and its name and namespace right?";
  return available === 0
    ? `${endpoints} are known, none is connected`
    : `${available} of ${endpoints} are connected and full`;
}

export function fullError(): ServiceError {
  const message = `${waitingCallsMax} calls wait already; slow down, or add replicas`;
  return new ServiceError("BUSY", message, { retryable: true, fate: "not-started" });
}

export function closedError(): ServiceError {
  return new ServiceError("CLOSED", "the client was closed", { fate: "maybe-executed" });
}
