// The end of a service: every request that is not answered gets a definite answer, and is counted.
import { ServiceError } from "../errors.ts";
import type { Executor } from "./executor.ts";
import type { Host } from "./host.ts";
import { type Culprit, itsOwnFault, refusal } from "./refusals.ts";
import type { Requests } from "./requests.ts";
import type { Streams } from "./streams.ts";

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

/** Where it finds what is not answered. */
interface EndingHost extends Pick<Host, "metrics"> {
  readonly executor: Executor;
  readonly requests: Requests;
  readonly streams: Streams | undefined;
}

/** What waited never started; what ran may have had its effect. Plain ZeroMQ peers cannot be told. */
export function handBack(server: EndingHost, culprit?: Culprit): Pick<Ending, "refused" | "aborted" | "rawDropped"> {
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
