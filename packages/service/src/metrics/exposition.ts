// What `/metrics` answers: the framework's metrics, the service's own, and the process's. prom-client adds those of the process
// (CPU, memory); it is loaded when the first scrape asks, so that no service waits for it to start.
import type { LogCounters } from "../log/output.ts";
import type { HealthState } from "../server/health.ts";
import type { Server } from "../server/server.ts";
import type { Streams } from "../server/streams.ts";
import type { Topics } from "../server/topics.ts";
import { clientMetrics } from "./clients.ts";
import { customMetrics } from "./custom.ts";
import { durationBuckets } from "./request-metrics.ts";
import { mergedMetrics, MetricsText } from "./text.ts";

/** What the process around a server knows, and the server doesn't. */
export interface ProcessFacts {
  readonly log?: () => LogCounters;
  /** How often, and for how long, the event loop was blocked. */
  readonly blocked?: () => { readonly count: number; readonly seconds: number };
}

let processMetrics: Promise<() => Promise<string>> | undefined;

/** The whole page. */
export async function exposition(servers: readonly Server[], facts: ProcessFacts = {}): Promise<string> {
  processMetrics ??= loadProcessMetrics();
  // Of one service nobody needs to be told which; of several, each line says it.
  const pages = servers.map((server) =>
    serverMetrics(server, servers.length === 1 ? {} : { service: server.service.name }),
  );
  return (
    (servers.length === 1 ? (pages[0] ?? "") : mergedMetrics(pages)) +
    clientMetrics() +
    factMetrics(facts) +
    customMetrics() +
    (await (
      await processMetrics
    )())
  );
}

async function loadProcessMetrics(): Promise<() => Promise<string>> {
  const { collectDefaultMetrics, register } = await import("prom-client");
  collectDefaultMetrics();
  return () => register.metrics();
}

const states: readonly HealthState[] = ["starting", "ready", "overloaded", "draining", "stuck"];

function serverMetrics(server: Server, common: Readonly<Record<string, string>>): string {
  const { metrics, executor, counters, credit, health, service } = server;
  const text = new MetricsText(common);
  text.head("wherry_requests_total", "counter", "Requests answered, by method and code; OK is a result.");
  for (const [method, { outcomes }] of metrics.methods)
    for (const [code, count] of outcomes) text.line("wherry_requests_total", { method, code }, count);
  text.head("wherry_request_duration_seconds", "histogram", "From a request's arrival to its answer.");
  for (const [method, { buckets: counts, sumSeconds: sum, count }] of metrics.methods)
    text.histogram("wherry_request_duration_seconds", { method }, durationBuckets, { counts, sum, count });
  text.head("wherry_state", "gauge", "1 for the state that the service is in.");
  for (const state of states) text.line("wherry_state", { state }, server.healthState === state ? 1 : 0);
  if (server.streams !== undefined) streamMetrics(text, server.streams);
  if (server.topics !== undefined) topicMetrics(text, server.topics);
  const gauges: readonly [string, number, string][] = [
    ["wherry_queue_length", executor.queued, "Requests that wait for a free slot."],
    ["wherry_queue_limit", service.queueMax, "Requests that may wait; the next is answered BUSY."],
    ["wherry_requests_in_flight", executor.running, "Requests that run now."],
    ["wherry_credit", credit.current, "Requests that one client may have outstanding."],
    ["wherry_event_loop_lag_seconds", health.lagMs / 1000, "How late the event loop is; measured while there is work."],
    ["wherry_draining", server.state === "draining" ? 1 : 0, "1 from SIGTERM to the end."],
    ["wherry_drain_duration_seconds", server.drainMs / 1000, "From SIGTERM to now, or to the drain's end."],
    ["wherry_peers", server.sessions.size, "Peers that have sent a message and are still connected."],
  ];
  for (const [name, value, help] of gauges) text.single(name, "gauge", help, value);
  text.head("wherry_handed_back_total", "counter", "Requests that the service's end handed back, by their fate.");
  for (const [fate, count] of Object.entries(metrics.handedBack))
    text.line("wherry_handed_back_total", { fate }, count);
  text.head("wherry_raw_messages_total", "counter", "Messages of plain ZeroMQ peers, by what became of them.");
  for (const [outcome, count] of Object.entries(metrics.raw))
    text.line("wherry_raw_messages_total", { outcome }, count);
  if (metrics.stored.size > 0)
    text.head("wherry_durable_stored_total", "counter", "Calls of durable methods that this pod had its broker store.");
  for (const [method, count] of metrics.stored) text.line("wherry_durable_stored_total", { method }, count);
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

function streamMetrics(text: MetricsText, streams: Streams): void {
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

function topicMetrics(text: MetricsText, { all }: Topics): void {
  text.head("wherry_events_published_total", "counter", "Events published, by topic.");
  for (const [topic, { published }] of all) text.line("wherry_events_published_total", { topic }, published);
  text.head("wherry_events_missed_total", "counter", "Events that a slow subscriber missed, each counted by itself.");
  for (const [topic, { missed }] of all) text.line("wherry_events_missed_total", { topic }, missed);
  text.head("wherry_subscribers", "gauge", "Connections subscribed, by topic.");
  for (const [topic, { subscribers }] of all) text.line("wherry_subscribers", { topic }, subscribers.size);
}

function factMetrics({ log, blocked }: ProcessFacts): string {
  const text = new MetricsText();
  if (log !== undefined) logMetrics(text, log());
  if (blocked !== undefined) {
    const { count, seconds } = blocked();
    text.single(
      "wherry_event_loop_blocked_total",
      "counter",
      "Times that the event loop was blocked for longer than --blocked-ms.",
      count,
    );
    text.single(
      "wherry_event_loop_blocked_seconds_total",
      "counter",
      "How long it was, all these times together.",
      seconds,
    );
  }
  return text.toString();
}

function logMetrics(text: MetricsText, { levels, sinks }: LogCounters): void {
  text.head("wherry_log_records_total", "counter", "Records logged, by level.");
  for (const [level, count] of Object.entries(levels)) text.line("wherry_log_records_total", { level }, count);
  if (sinks.length === 0) return;
  text.head("wherry_log_sink_records_total", "counter", "Records by sink: delivered, or on stdout instead, by why.");
  for (const { name: sink, delivered, down, full, rejected } of sinks)
    for (const [outcome, count] of Object.entries({ delivered, down, full, rejected }))
      text.line("wherry_log_sink_records_total", { sink, outcome }, count);
  text.head("wherry_log_sink_up", "gauge", "1 while the sink takes records.");
  for (const { name: sink, isUp } of sinks) text.line("wherry_log_sink_up", { sink }, isUp ? 1 : 0);
  text.head("wherry_log_sink_queue_length", "gauge", "Records that wait for the sink.");
  for (const { name: sink, held } of sinks) text.line("wherry_log_sink_queue_length", { sink }, held);
}
