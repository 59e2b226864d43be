// What a service says of itself: `$describe`, which is true as long as it runs, and `$stats`, which is true now. It only reads. What its
// broker has to be asked for, `$queues`, is in durable/queues.ts.
import { noBody } from "../contract.ts";
import { addressesOf } from "../http/route.ts";
import { jsonSchemaOf } from "../json-schema.ts";
import { bodyBytesMax, creditMax, deadlineMsDefault, streamWindowBytes, streamWindowItems } from "../limits.ts";
import { durationBuckets, type MethodMetrics, type StreamMetrics } from "../metrics/request-metrics.ts";
import { protocolVersion } from "../protocol/codes.ts";
import type { Schema } from "../schema.ts";
import type { Method } from "../service.ts";
import type { StreamKind } from "../stream/types.ts";
import type { Broker } from "../durable/types.ts";
import type { Credit } from "./credit.ts";
import type { Executor } from "./executor.ts";
import type { Host } from "./host.ts";
import type { Session } from "./session.ts";
import type { Streams } from "./streams.ts";
import type { Topics } from "./topics.ts";

/** What is told of. */
export interface Introspected extends Pick<Host, "service" | "state" | "clock" | "metrics"> {
  readonly instance: string;
  readonly pod: string | undefined;
  /** When it was made, by `Clock.monotonic`. */
  readonly startedMs: number;
  readonly executor: Executor;
  readonly credit: Credit;
  readonly sessions: ReadonlyMap<number, Session>;
  readonly streams: Streams | undefined;
  readonly topics: Topics | undefined;
  /** What durable methods' calls are stored by, once it is open. */
  readonly broker: Broker["kind"] | undefined;
  /** The port that it answers HTTP on, if it does. */
  readonly httpPort: number | undefined;
}

/** A schema as far as its library can say it. */
export interface SchemaDescription {
  /** `zod`, `valibot`, … */
  readonly vendor: string;
  /** JSON Schema, draft 2020-12; `{}` when the library doesn't offer it. */
  readonly schema: Readonly<Record<string, unknown>>;
}

/**
 * `input` and `output` as in the method's definition: of a stream, those of its items; of a durable method, what its handler gets and
 * returns, for its caller gets a receipt. `http` and `errors` are not told by services older than these words.
 */
export interface MethodDescription extends Pick<Method, "trust" | "idempotent" | "keyed"> {
  readonly stream?: StreamKind;
  /** Its calls are stored by a broker; `$queues` tells how many wait, and how many are dead. */
  readonly durable?: {
    /** Absent: its pod has not opened it yet. */
    readonly broker?: Broker["kind"];
    readonly redeliveriesMax: number;
    readonly maxRunMs: number;
  };
  readonly endless?: boolean;
  readonly resumable?: boolean;
  readonly input?: SchemaDescription;
  readonly output?: SchemaDescription;
  /** Its addresses, as `GET /stock/{item}`, whether or not there is an HTTP port. */
  readonly http?: readonly string[];
  /** The errors of its contract, by code, with the schema of their details; null: they have none. */
  readonly errors?: Readonly<Record<string, SchemaDescription | null>>;
}

/** What `$describe` answers. */
export interface ServiceDescription {
  readonly name: string;
  readonly version: string;
  readonly instance: string;
  readonly pod?: string;
  readonly protocol: number;
  /** The port of each pod that it answers HTTP on; absent: it does not, or is older than this word. */
  readonly httpPort?: number;
  readonly methods: Readonly<Record<string, MethodDescription>>;
  readonly topics: Readonly<Record<string, { readonly event: SchemaDescription }>>;
  /** It takes messages of plain ZeroMQ sockets. */
  readonly raw: boolean;
  readonly limits: Readonly<Record<string, number>>;
}

/** Quantiles are the upper bounds of their histogram's buckets; null above the last. */
export interface MethodStats {
  readonly count: number;
  readonly codes: Readonly<Record<string, number>>;
  readonly p50Ms?: number | null;
  readonly p90Ms?: number | null;
  readonly p99Ms?: number | null;
  readonly itemsIn?: number;
  readonly itemsOut?: number;
}

/** What `$stats` answers. */
export interface ServiceStats {
  readonly instance: string;
  readonly pod?: string;
  readonly state: string;
  /** Since its server was made. */
  readonly uptimeMs: number;
  readonly queued: number;
  readonly running: number;
  readonly streams: number;
  readonly credit: number;
  readonly peers: number;
  readonly methods: Readonly<Record<string, MethodStats>>;
  readonly topics: Readonly<Record<string, { published: number; missed: number; subscribers: number }>>;
}

export function describe(server: Introspected): ServiceDescription {
  const { service, instance, pod, httpPort } = server;
  const { name, version, concurrency, queueMax, streamsMax } = service;
  return {
    ...{ name, version, instance, ...(pod === undefined ? {} : { pod }), protocol: protocolVersion },
    ...(httpPort === undefined ? {} : { httpPort }),
    methods: Object.fromEntries([...service.methods].map(([key, method]) => [key, describeMethod(method, server)])),
    topics: Object.fromEntries(
      [...service.topics].map(([key, schema]) => [key, { event: describeSchema(schema, "output") }]),
    ),
    raw: service.raw !== undefined,
    limits: {
      ...{ concurrency, queueMax, streamsMax, bodyBytesMax, creditMax, deadlineMsDefault },
      ...{ streamWindowItems, streamWindowBytes },
    },
  };
}

function describeMethod(method: Method, { broker }: Pick<Introspected, "broker">): MethodDescription {
  const { stream, endless, resumable, durable, trust, idempotent, keyed, input, output } = method;
  const [http, errors] = [addressesOf(method), Object.entries(method.errors)];
  return {
    ...(durable === undefined ? {} : { durable: { ...(broker === undefined ? {} : { broker }), ...durable } }),
    ...(stream === undefined ? {} : { stream, endless, ...(resumable ? { resumable } : {}) }),
    ...{ trust, idempotent, keyed },
    ...(input === undefined ? {} : { input: describeSchema(input, "input") }),
    ...(output === undefined ? {} : { output: describeSchema(output, "output") }),
    ...(http.length === 0 ? {} : { http }),
    ...(errors.length === 0 ? {} : { errors: Object.fromEntries(errors.map(describeError)) }),
  };
}

const describeError = ([code, details]: readonly [string, Schema | null]): [string, SchemaDescription | null] => [
  code,
  details === null ? null : describeSchema(details, "output"),
];

/** @param side what it takes, or what it gives: they differ where it transforms. */
function describeSchema(schema: Schema, side: "input" | "output"): SchemaDescription {
  const json = schema === noBody ? { type: "null" } : jsonSchemaOf(schema, side);
  return { vendor: schema["~standard"].vendor, schema: json ?? {} };
}

export function stats(server: Introspected): ServiceStats {
  const { metrics, executor, credit, sessions, instance, pod, clock } = server;
  const streams = server.streams?.totals() ?? new Map<string, StreamMetrics>();
  const topics = [...(server.topics?.all ?? [])].map(([name, { published, missed, subscribers }]) => {
    return [name, { published, missed, subscribers: subscribers.size }] as const;
  });
  return {
    ...{ instance, ...(pod === undefined ? {} : { pod }), state: server.state },
    uptimeMs: Math.round(clock.monotonic() - server.startedMs),
    ...{ queued: executor.queued, running: executor.running, streams: server.streams?.running.size ?? 0 },
    ...{ credit: credit.current, peers: sessions.size },
    methods: Object.fromEntries<MethodStats>([
      ...[...metrics.methods].map(([name, times]) => [name, methodStats(times)] as const),
      ...[...streams].map(([name, { outcomes, itemsIn, itemsOut }]) => {
        const count = [...outcomes.values()].reduce((sum, each) => sum + each, 0);
        return [name, { count, codes: Object.fromEntries(outcomes), itemsIn, itemsOut }] as const;
      }),
    ]),
    topics: Object.fromEntries(topics),
  };
}

function methodStats(times: MethodMetrics): MethodStats {
  const { count, outcomes } = times;
  const at = (part: number): number | null => quantileMs(times, part);
  return { count, codes: Object.fromEntries(outcomes), p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) };
}

/** The bound of the bucket in which that part of all requests is reached. */
function quantileMs({ buckets, count }: MethodMetrics, part: number): number | null {
  let cumulated = 0;
  for (const [index, bound] of durationBuckets.entries()) {
    cumulated += buckets[index] ?? 0;
    if (cumulated >= part * count) return bound * 1000;
  }
  return null;
}
