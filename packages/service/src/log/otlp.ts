// OpenTelemetry's collectors: OTLP over HTTP as JSON, logs (https://opentelemetry.io/docs/specs/otlp/#otlphttp). The fields are
// attributes, the message is the body, and a `trace` becomes the ids that tie a record to its span.
import { type Endpoint, Poster } from "./http.ts";
import { type Aggregator, type Delivery, delivered } from "./types.ts";

/** https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber */
const severities: Readonly<Record<string, number>> = { trace: 1, debug: 5, info: 9, warn: 13, error: 17, fatal: 21 };

/** Fields that have a place of their own. */
const inPlace = new Set(["time", "level", "msg", "service", "pod", "trace"]);

type AnyValue =
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly arrayValue: { readonly values: readonly AnyValue[] } }
  | { readonly kvlistValue: { readonly values: readonly KeyValue[] } };

interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

export class Otlp implements Aggregator {
  readonly name: string;
  readonly #poster: Poster;

  constructor({ url, ...endpoint }: Endpoint) {
    this.name = `otlp+${url.origin}`;
    const logs = new URL(url);
    if (logs.pathname === "/") logs.pathname = "/v1/logs";
    this.#poster = new Poster({ ...endpoint, url: logs });
  }

  async send(lines: readonly string[], signal: AbortSignal): Promise<Delivery> {
    const records = lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
    // All of a process's records have the same service and pod.
    const { service, pod } = records[0] ?? {};
    const resource = { attributes: attributesOf({ "service.name": service, "k8s.pod.name": pod }) };
    const scopeLogs = [{ scope: { name: "@wherry/service" }, logRecords: records.map(logRecord) }];
    const body = JSON.stringify({ resourceLogs: [{ resource, scopeLogs }] });
    const { status, text } = await this.#poster.post("application/json", body, signal);
    if (status === "refused") return { rejected: [...lines.keys()], again: [], reason: text };
    return partialSuccess(text, lines.length);
  }

  close(): void {
    this.#poster.close();
  }
}

/** The collector says how many it refused, not which: all are kept elsewhere too, rather than any lost. */
function partialSuccess(text: string, records: number): Delivery {
  if (!text.includes("partialSuccess")) return delivered;
  const { partialSuccess: partial } = JSON.parse(text) as {
    readonly partialSuccess?: { readonly rejectedLogRecords?: string | number; readonly errorMessage?: string };
  };
  const count = Number(partial?.rejectedLogRecords ?? 0);
  if (!(count > 0)) return delivered;
  return { rejected: [...Array(records).keys()], again: [], reason: partial?.errorMessage ?? "" };
}

function logRecord(record: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { time, level, msg, trace } = record;
  const timeUnixNano = `${Date.parse(String(time))}000000`;
  const severityText = String(level);
  const ids = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(typeof trace === "string" ? trace : "");
  return {
    ...{
      timeUnixNano,
      observedTimeUnixNano: timeUnixNano,
      severityNumber: severities[severityText] ?? 0,
      severityText,
    },
    ...{ body: { stringValue: typeof msg === "string" ? msg : "" }, attributes: attributesOf(record, inPlace) },
    ...(ids === null ? {} : { traceId: ids[1], spanId: ids[2], flags: Number.parseInt(ids[3] ?? "0", 16) }),
  };
}

function attributesOf(fields: Readonly<Record<string, unknown>>, without: ReadonlySet<string> = new Set()): KeyValue[] {
  return Object.entries(fields)
    .filter(([key, value]) => value !== undefined && value !== null && !without.has(key))
    .map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: unknown): AnyValue {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  // 64-bit integers are texts in protobuf's JSON.
  if (typeof value === "number")
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  return { kvlistValue: { values: attributesOf(value as Readonly<Record<string, unknown>>) } };
}
