// What the parts of a server see of it. They import this file, never server.ts, which makes them and is the only one that knows them
// all; a part that needs more, another part mostly, says so at its own head. Types only.
import type { Clock, Logger } from "@wherry/core";
import type { RequestMetrics } from "../metrics/request-metrics.ts";
import type { Service } from "../service.ts";
import type { PublishOptions, Published } from "../topic.ts";
import type { TraceIds } from "../tracing/trace-context.ts";

/** A server's life, in this order. */
export type Life = "starting" | "ready" | "draining" | "ended";

export interface Host {
  readonly service: Service;
  readonly state: Life;
  readonly clock: Clock;
  readonly log: Logger;
  readonly traceIds: TraceIds;
  readonly metrics: RequestMetrics;
  /** See `RequestContext.publish`. */
  publish(topic: string, event: unknown, options?: PublishOptions): Published;
  /** Messages came in: credit is looked at again after a while. An idle service sets no timer. */
  noteWork(): void;
  /** Ends the service for a bug. Only the first counts. */
  crash(thrown: unknown): void;
}
