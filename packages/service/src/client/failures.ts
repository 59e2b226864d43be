// What a caller is told by its own client: above all when its deadline passes, where the call was, what was tried, and what to
// look at.
import { ServiceError } from "../errors.ts";
import { waitingCallsMax } from "../limits.ts";
import { type Call, fateOfUnanswered } from "./call.ts";
import type { DiscoveryProblem } from "./discovery.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Pool } from "./pool.ts";

/** UNAVAILABLE when no endpoint ever took the call, else DEADLINE_EXCEEDED. */
export function lateError(call: Call, service: string, pool: Pool): ServiceError {
  const { withinMs } = call;
  const details = { attempts: call.attempts, lastCode: call.lastError?.code };
  const fate = fateOfUnanswered(call);
  const options = { fate, retryable: true, details } as const;
  if (call.attempts === 0) {
    const message = `no endpoint of ${service} took the call within ${withinMs} ms; ${situationOf(call, pool)}`;
    return new ServiceError("UNAVAILABLE", message, options);
  }
  const last = call.lastError?.message ?? "it was outstanding";
  const message = `no answer of ${service} within ${withinMs} ms and ${call.attempts} attempts; ${last}`;
  return new ServiceError("DEADLINE_EXCEEDED", message, options);
}

/** UNAVAILABLE: the one instance that the call is for isn't there, or takes no calls any more. */
export function nobodyError(call: Call, to: string, service: string, endpoint: Endpoint | undefined): ServiceError {
  const why =
    endpoint === undefined
      ? `${service} has no such pod or address`
      : (endpoint.foreigner ?? "it is leaving, and takes no new calls");
  const options = { fate: fateOfUnanswered(call), retryable: true, details: { to } } as const;
  return new ServiceError("UNAVAILABLE", `the call is for ${to} alone; ${why}`, options);
}

/** ABORTED: the next pod might end by this call, too. */
export function poisonError(call: Call, last: ServiceError): ServiceError {
  const { attempts, crashes } = call;
  const message =
    `given up: in ${attempts} attempts pods ended again and again while they had this call of ${call.method}, ` +
    `which may be what ends them (\`retry.crashes\` allows more); ${last.message}`;
  return new ServiceError("ABORTED", message, { fate: "maybe-executed", details: { attempts, crashes }, cause: last });
}

/** UNAVAILABLE at once: nothing that the client waits for will come by itself. */
export function hopelessError(service: string, { error }: DiscoveryProblem): ServiceError {
  const message = `no endpoint of ${service} can be found out: ${error.message}`;
  return new ServiceError("UNAVAILABLE", message, { fate: "not-started", retryable: true, cause: error });
}

/** Why nothing takes it, in words. */
export function situationOf(
  { to }: Partial<Pick<Call, "to">>,
  { problem, counters, foreigner, trouble }: Pool,
): string {
  const { endpoints, available } = counters;
  if (endpoints === 0 && problem !== undefined)
    return `no endpoint is known, for they can't be found out: ${problem.error.message}`;
  if (endpoints === 0) return "no endpoint is known: is the service running, and its name and namespace right?";
  if (to !== undefined) return `the call is for ${to} alone, which is not connected or full`;
  if (available === 0) {
    const known = endpoints === 1 ? "the only known endpoint is not" : `none of ${endpoints} known endpoints is`;
    const why = foreigner ?? trouble;
    return `${known} connected${why === undefined ? "" : `; ${why}`}`;
  }
  return `${available} of ${endpoints} are connected and full`;
}

export function fullError(): ServiceError {
  const message = `${waitingCallsMax} calls wait already; slow down, or add replicas`;
  return new ServiceError("BUSY", message, { retryable: true, fate: "not-started" });
}

export function closedError(): ServiceError {
  return new ServiceError("CLOSED", "the client was closed", { fate: "maybe-executed" });
}
