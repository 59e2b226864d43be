// Counts and times requests in plain arrays, so that the hot path pays nanoseconds and no library is loaded before a
// service listens. exposition.ts turns it into text.

/** Upper bounds of the duration buckets, seconds; the last bucket is infinite. */
export const durationBuckets: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export interface MethodMetrics {
  /** By code; `OK` for a result. */
  readonly outcomes: Map<string, number>;
  /** Requests in each bucket alone (not cumulated), one more than there are bounds. */
  readonly buckets: Float64Array;
  sumSeconds: number;
  count: number;
}

/** A stream's times say nothing: it may run for days. */
export interface StreamMetrics {
  /** Streams that ended, by code; `OK` for a reply. */
  readonly outcomes: Map<string, number>;
  itemsIn: number;
  itemsOut: number;
}

/** What happened to a message of a plain ZeroMQ peer. */
export type RawOutcome = "answered" | "unanswered" | "dropped";

/** What became of a durable method's delivery; `lost`: the broker had taken it back before it was settled. */
export type DeliveryOutcome = "acknowledged" | "retried" | "released" | "dead" | "lost";

/** Why this layer, above the socket's own reasons, dropped a peer. */
export type PeerFault =
  | "malformed-message"
  | "other-version"
  | "protocol-violation"
  | "slow-reader"
  | "silent-peer"
  | "no-raw-handler"
  | "key-removed";

export class RequestMetrics {
  readonly methods: Map<string, MethodMetrics> = new Map();
  readonly streams: Map<string, StreamMetrics> = new Map();
  readonly raw: Record<RawOutcome, number> = { answered: 0, unanswered: 0, dropped: 0 };
  /** Requests that the end of the service handed back, by their fate. */
  readonly handedBack: Record<"not-started" | "maybe-executed", number> = { "not-started": 0, "maybe-executed": 0 };
  readonly faults: Record<PeerFault, number> = {
    "malformed-message": 0,
    "other-version": 0,
    "protocol-violation": 0,
    "slow-reader": 0,
    "silent-peer": 0,
    "no-raw-handler": 0,
    "key-removed": 0,
  };

  /** Calls of durable methods that came over the wire and were stored, by method; when they are run, they count as requests. */
  readonly stored: Map<string, number> = new Map();

  observeStored(method: string): void {
    this.stored.set(method, (this.stored.get(method) ?? 0) + 1);
  }

  /** Deliveries of durable methods, by method and outcome. */
  readonly deliveries: Map<string, Map<DeliveryOutcome, number>> = new Map();

  observeDelivery(method: string, outcome: DeliveryOutcome): void {
    let outcomes = this.deliveries.get(method);
    if (outcomes === undefined) {
      outcomes = new Map();
      this.deliveries.set(method, outcomes);
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }

  /** Answers over HTTP by status; `closed` where the client left before. */
  readonly http: Map<string, number> = new Map();

  /** @param status 0 when the client left before its answer. */
  observeHttp(status: number): void {
    const key = status === 0 ? "closed" : String(status);
    this.http.set(key, (this.http.get(key) ?? 0) + 1);
  }

  /** @param method one of the service's methods, or `unknown`: never a name that a peer chose. */
  observe(method: string, code: string, milliseconds: number): void {
    let metrics = this.methods.get(method);
    if (metrics === undefined) {
      metrics = { outcomes: new Map(), buckets: new Float64Array(durationBuckets.length + 1), sumSeconds: 0, count: 0 };
      this.methods.set(method, metrics);
    }
    metrics.outcomes.set(code, (metrics.outcomes.get(code) ?? 0) + 1);
    const seconds = milliseconds / 1000;
    let bucket = 0;
    while (seconds > (durationBuckets[bucket] ?? Number.POSITIVE_INFINITY)) bucket++;
    metrics.buckets[bucket] = (metrics.buckets[bucket] ?? 0) + 1;
    metrics.sumSeconds += seconds;
    metrics.count++;
  }

  /** A stream ended, or was refused. */
  observeStream(method: string, code: string, itemsIn: number, itemsOut: number): void {
    const metrics = this.streams.get(method) ?? { outcomes: new Map<string, number>(), itemsIn: 0, itemsOut: 0 };
    this.streams.set(method, metrics);
    metrics.outcomes.set(code, (metrics.outcomes.get(code) ?? 0) + 1);
    metrics.itemsIn += itemsIn;
    metrics.itemsOut += itemsOut;
  }
}
