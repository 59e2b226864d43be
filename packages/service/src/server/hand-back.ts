// The end of a service: every request that is not answered gets a definite answer, and is counted.
import { ServiceError } from "../errors.ts";
import type { Server } from "./server.ts";

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
  readonly error?: Error;
}

/** What waited never started; what ran may have had its effect. Plain ZeroMQ peers cannot be told. */
export function handBack(server: Server): Pick<Ending, "refused" | "aborted" | "rawDropped"> {
  const refused = refusal();
  const aborted = new ServiceError("ABORTED", "the service ended while the request ran; it may have had its effect", {
    fate: "maybe-executed",
  });
  const counts = { refused: 0, aborted: 0, rawDropped: 0 };
  for (const job of [...server.executor.stop(), ...server.executor.running]) {
    if (job.state === "answered") continue;
    if (job.kind === "raw") {
      counts.rawDropped++;
      server.metrics.raw.dropped++;
    } else if (job.state === "queued") {
      counts.refused++;
      server.refuse(job, refused);
    } else {
      counts.aborted++;
      server.refuse(job, aborted);
      job.context.abort(aborted);
    }
  }
  return counts;
}

/** The answer to a request that a leaving service has not started: send it elsewhere. */
export function refusal(): ServiceError {
  return new ServiceError("REFUSED", "the service is leaving; the request was not started", {
    retryable: true,
    fate: "not-started",
  });
}
