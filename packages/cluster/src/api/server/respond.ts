// From an ApiResponse to bytes: status, headers, JSON, YAML, gzip, watch lines, streams. Waits for slow readers.
import { asError } from "@wherry/core";
import type { ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { stringify } from "yaml";
import { limits } from "../limits.ts";
import type { ApiMetrics } from "../metrics.ts";
import { parseAccept } from "../negotiate.ts";
import type { ApiRequest, ApiResponse, ApiWatchEvent } from "../types.ts";

const gzipAsync = promisify(gzip);

/** On every answer. A page must not be able to read, run, or frame what the API says. */
export const securityHeaders: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-cache, private",
};

const jsonType = "application/json";

export async function writeResponse(
  response: ServerResponse,
  request: Pick<ApiRequest, "method" | "headers" | "signal">,
  answer: ApiResponse,
  metrics: ApiMetrics,
): Promise<void> {
  for (const [name, value] of Object.entries({ ...securityHeaders, ...answer.headers }))
    response.setHeader(name, value);
  const warnings = (answer.warnings ?? []).slice(0, limits.warningsMax).map(warningHeader);
  if (warnings.length > 0) response.setHeader("warning", warnings);
  response.statusCode = answer.status;
  const { body } = answer;
  if ("events" in body) return writeEvents(response, body.events, metrics);
  if ("stream" in body) return writeStream(response, body.stream, body.contentType);
  if ("text" in body) return writeText(response, request, body.text, body.contentType);
  const wantsYaml = prefersYaml(request.headers["accept"]);
  const json = "json" in body ? body.json : JSON.stringify(body.object);
  if (!wantsYaml) return writeText(response, request, json, jsonType);
  return writeText(response, request, stringify(JSON.parse(json)), "application/yaml");
}

function prefersYaml(accept: string | undefined): boolean {
  if (accept?.includes("yaml") !== true) return false;
  return parseAccept(accept)[0]?.type === "application/yaml";
}

/** RFC 9111 §5.5, as kube-apiserver writes it. */
function warningHeader(text: string): string {
  const clean = text.slice(0, limits.warningLengthMax).replace(/[^\x20-\x7e]/g, "?");
  return `299 - "${clean.replace(/[\\"]/g, "\\$&")}"`;
}

async function writeText(
  response: ServerResponse,
  { method, headers }: Pick<ApiRequest, "method" | "headers">,
  text: string,
  contentType: string,
): Promise<void> {
  if (response.statusCode === 304) {
    response.end();
    return;
  }
  let bytes: Uint8Array = Buffer.from(text);
  response.setHeader("content-type", contentType);
  if (bytes.length >= limits.gzipBytesMin && acceptsGzip(headers["accept-encoding"])) {
    bytes = await gzipAsync(bytes, { level: 1 });
    response.setHeader("content-encoding", "gzip");
    response.appendHeader("vary", "Accept-Encoding");
  }
  response.setHeader("content-length", bytes.length);
  if (method === "HEAD") response.end();
  else response.end(bytes);
}

const acceptsGzip = (header: string | undefined): boolean =>
  header !== undefined && header.split(",").some((part) => /^\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/i.test(part));

/** The bytes of an event, made once for all watchers. */
const lines = new WeakMap<ApiWatchEvent, Buffer>();

function lineOf(event: ApiWatchEvent): Buffer {
  let line = lines.get(event);
  if (line === undefined) lines.set(event, (line = Buffer.from(`${event.json}\n`)));
  return line;
}

async function writeEvents(
  response: ServerResponse,
  events: AsyncIterable<readonly ApiWatchEvent[]>,
  metrics: ApiMetrics,
): Promise<void> {
  response.setHeader("content-type", jsonType);
  // The client waits for the headers before it believes in the watch.
  response.flushHeaders();
  for await (const batch of events) {
    if (response.destroyed) return;
    metrics.watchEvents.add({}, batch.length);
    const flushed =
      batch.length === 1 && batch[0] !== undefined
        ? response.write(lineOf(batch[0]))
        : response.write(Buffer.concat(batch.map(lineOf)));
    if (!flushed) await drained(response);
  }
  response.end();
}

async function writeStream(
  response: ServerResponse,
  stream: AsyncIterable<Uint8Array | string>,
  contentType: string,
): Promise<void> {
  response.setHeader("content-type", contentType);
  response.flushHeaders();
  try {
    for await (const chunk of stream) {
      if (response.destroyed) return;
      if (!response.write(chunk)) await drained(response);
    }
    response.end();
  } catch (problem) {
    // The status is out already: breaking off is the only way left to say that this is not all.
    response.destroy(asError(problem));
  }
}

/** Resolves when there is room again, or nobody left to write to. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.once("drain", done);
    response.once("close", done);
  });
}
