// The end of a service: every request that is not answered gets a definite answer, and is counted.
import { asError } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import type { Job, RequestJob } from "./job.ts";
import type { Server } from "./server.ts";
import type { ServerStream } from "./stream.ts";

/** How a server ended, and what it had to hand back. */
export interface Ending {
  /** `drained`: all was answered. `deadline`: some was not. `crashed`: a bug. `closed`: `close()` was called. */
  readonly reason: "drained" | "deadline" | "crashed" | "closed";
  /** Requests handed back that had not started. */
  readonly refused: number;
  /** Requests cut off while they ran. */
  readonly aborted: number;
  /** Raw messages that got no answer. */
  readonly rawDropped: number;
  /** The bug that ended it, and the method that threw it; `raw` for the raw handler, absent when it escaped elsewhere. */
  readonly error?: Error;
  readonly method?: string;
}

/** Which job or stream threw what. */
export interface Culprit {
  readonly job: Job | ServerStream;
  readonly thrown: unknown;
}

/** What waited never started; what ran may have had its effect. Plain ZeroMQ peers cannot be told. */
export function handBack(server: Server, culprit?: Culprit): Pick<Ending, "refused" | "aborted" | "rawDropped"> {
  const refused = refusal();
  const aborted = new ServiceError("ABORTED", "the service ended while the request ran; it may have had its effect", {
    fate: "maybe-executed",
  });
  const counts = { refused: 0, aborted: 0, rawDropped: 0 };
  counts.aborted += server.streams?.end(culprit) ?? 0;
  for (const job of [...server.executor.stop(), ...server.executor.runningJobs()]) {
    if (job.state === "answered") continue;
    if (job.kind === "raw") {
      counts.rawDropped++;
      server.metrics.raw.dropped++;
    } else if (job.state === "queued") {
      counts.refused++;
      server.requests.refuse(job, refused);
    } else {
      counts.aborted++;
      const error = job === culprit?.job ? itsOwnFault(job, culprit.thrown) : aborted;
      server.requests.refuse(job, error);
      job.context.abort(error);
    }
  }
  server.metrics.handedBack["not-started"] += counts.refused;
  server.metrics.handedBack["maybe-executed"] += counts.aborted;
  return counts;
}

/**
 * What the request that met the bug is told. What was thrown goes only to callers that the method trusts as internal: it may
 * quote data, and is none of an outsider's business.
 */
export function itsOwnFault({ method }: Pick<RequestJob, "method">, thrown: unknown): ServiceError {
  const [reason = ""] = asError(thrown).message.split("\n", 1);
  const told = method.trust === "internal" ? `it threw: ${reason}` : "the service's log says why";
  const message = `method ${method.name} crashed the service while the request ran; it may have had its effect; ${told}`;
  // A client that repeats it elsewhere shall know that it is this request that ends services.
  return new ServiceError("ABORTED", message, { fate: "maybe-executed", details: { crashed: true } });
}

/** The answer to a request that a leaving service has not started: send it elsewhere. */
export function refusal(): ServiceError {
  return new ServiceError("REFUSED", "the service is leaving; the request was not started", {
    retryable: true,
    fate: "not-started",
  });
}
