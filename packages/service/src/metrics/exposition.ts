// A server's metrics in Prometheus' text format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/). prom-client adds the process's own (CPU, memory, event-loop
// lag); it is loaded when the first scrape asks, so that no service waits for it to start.
import type { Server } from "../server/server.ts";
import type { Streams } from "../server/streams.ts";
import type { Topics } from "../server/topics.ts";
import { durationBuckets, type MethodMetrics } from "./request-metrics.ts";

export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

let processMetrics: Promise<() => Promise<string>> | undefined;

/** Everything that `/metrics` answers. */
export async function exposition(server: Server): Promise<string> {
  processMetrics ??= loadProcessMetrics();
  return serverMetrics(server) + (await (await processMetrics)());
}

async function loadProcessMetrics(): Promise<() => Promise<string>> {
  const { collectDefaultMetrics, register } = await import("prom-client");
  collectDefaultMetrics();
  return () => register.metrics();
}

/** The framework's own metrics alone. */
function serverMetrics(server: Server): string {
  const { metrics, executor, counters, credit } = server;
  const text = new Text();
  text.head("wherry_requests_total", "counter", "Requests answered, by method and code; OK is a result.");
  for (const [method, { outcomes }] of metrics.methods)
    for (const [code, count] of outcomes) text.line("wherry_requests_total", { method, code }, count);
  text.head("wherry_request_duration_seconds", "histogram", "From a request's arrival to its answer.");
  for (const [method, times] of metrics.methods) histogram(text, method, times);
  if (server.streams !== undefined) streamMetrics(text, server.streams);
  if (server.topics !== undefined) topicMetrics(text, server.topics);
  const gauges: readonly [string, number, string][] = [
    ["wherry_queue_length", executor.queued, "Requests that wait for a free slot."],
    ["wherry_requests_in_flight", executor.running.size, "Requests that run now."],
    ["wherry_credit", credit.current, "Requests that one client may have outstanding."],
    ["wherry_draining", server.state === "draining" ? 1 : 0, "1 from SIGTERM to the end."],
    ["wherry_peers", server.sessions.size, "Peers that have sent a message and are still connected."],
  ];
  for (const [name, value, help] of gauges) text.single(name, "gauge", help, value);
  text.head("wherry_raw_messages_total", "counter", "Messages of plain ZeroMQ peers, by what became of them.");
  for (const [outcome, count] of Object.entries(metrics.raw))
    text.line("wherry_raw_messages_total", { outcome }, count);
  if (metrics.deliveries.size > 0)
    text.head("wherry_durable_deliveries_total", "counter", "Messages of durable methods, by what became of them.");
  for (const [method, outcomes] of metrics.deliveries)
    for (const [outcome, count] of outcomes) text.line("wherry_durable_deliveries_total", { method, outcome }, count);
  if (metrics.http.size > 0)
    text.head("wherry_http_responses_total", "counter", "HTTP answers, by status; closed: the client left before.");
  for (const [status, count] of metrics.http) text.line("wherry_http_responses_total", { status }, count);
  text.head("wherry_peer_drops_total", "counter", "Connections ended, by reason; closed-by-peer is the normal one.");
  for (const [reason, count] of Object.entries({ ...counters.drops, ...metrics.faults }))
    text.line("wherry_peer_drops_total", { reason }, count);
  const totals: readonly [string, number, string][] = [
    ["wherry_connections_accepted_total", counters.accepted, "Connections accepted on the messaging port."],
    ["wherry_messages_received_total", counters.messagesIn, "ZeroMQ messages received."],
    ["wherry_messages_sent_total", counters.messagesOut, "ZeroMQ messages sent."],
    ["wherry_received_bytes_total", counters.bytesIn, "Bytes received on the messaging port."],
    ["wherry_sent_bytes_total", counters.bytesOut, "Bytes sent on the messaging port."],
    ["wherry_messages_undelivered_total", counters.undelivered, "Replies that a leaving peer did not take."],
  ];
  for (const [name, value, help] of totals) text.single(name, "counter", help, value);
  return text.toString();
}

function streamMetrics(text: Text, streams: Streams): void {
  const totals = streams.totals();
  text.head("wherry_streams_total", "counter", "Streams that ended, by method and code; OK is a reply.");
  for (const [method, { outcomes }] of totals)
    for (const [code, count] of outcomes) text.line("wherry_streams_total", { method, code }, count);
  text.head("wherry_stream_items_total", "counter", "Items of streams, by method and direction.");
  for (const [method, { itemsIn, itemsOut }] of totals) {
    text.line("wherry_stream_items_total", { method, direction: "in" }, itemsIn);
    text.line("wherry_stream_items_total", { method, direction: "out" }, itemsOut);
  }
  text.single("wherry_streams_running", "gauge", "Streams that run now.", streams.running.size);
}

function topicMetrics(text: Text, { all }: Topics): void {
  text.head("wherry_events_published_total", "counter", "Events published, by topic.");
  for (const [topic, { published }] of all) text.line("wherry_events_published_total", { topic }, published);
  text.head("wherry_events_missed_total", "counter", "Events that a slow subscriber missed, each counted by itself.");
  for (const [topic, { missed }] of all) text.line("wherry_events_missed_total", { topic }, missed);
  text.head("wherry_subscribers", "gauge", "Connections subscribed, by topic.");
  for (const [topic, { subscribers }] of all) text.line("wherry_subscribers", { topic }, subscribers.size);
}

function histogram(text: Text, method: string, { buckets, sumSeconds, count }: MethodMetrics): void {
  let cumulated = 0;
  for (const [index, bound] of durationBuckets.entries()) {
    cumulated += buckets[index] ?? 0;
    text.line("wherry_request_duration_seconds_bucket", { le: String(bound), method }, cumulated);
  }
  text.line("wherry_request_duration_seconds_bucket", { le: "+Inf", method }, count);
  text.line("wherry_request_duration_seconds_sum", { method }, sumSeconds);
  text.line("wherry_request_duration_seconds_count", { method }, count);
}

class Text {
  readonly #lines: string[] = [];

  head(name: string, type: "counter" | "gauge" | "histogram", help: string): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  line(name: string, labels: Readonly<Record<string, string>>, value: number): void {
    const pairs = Object.entries(labels).map(([key, label]) => `${key}="${escapeLabel(label)}"`);
    this.#lines.push(`${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`);
  }

  single(name: string, type: "counter" | "gauge", help: string, value: number): void {
    this.head(name, type, help);
    this.line(name, {}, value);
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (special) => (special === "\n" ? "\\n" : `\\${special}`));
}
