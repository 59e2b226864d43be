// One POST to an aggregator over HTTP, on a connection that is kept. What the answer means to all of them is decided here: taken,
// refused for good, or to be tried again.
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { sinkAnswerBytesMax } from "../limits.ts";
import { gzipped } from "./gzip.ts";
import { RetryLater, retryAfterMs } from "./retry-later.ts";

export interface Endpoint {
  /** `http:` or `https:`, with the path, without user and password. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Bodies are compressed. */
  readonly gzip: boolean;
}

/** `refused`: the same bytes will never be taken. */
export interface Answer {
  readonly status: "taken" | "refused";
  readonly text: string;
}

/** An answer as it came. */
interface Told {
  readonly status: number;
  readonly text: string;
  /** How long it wants to be left alone. */
  readonly laterMs: number | undefined;
}

/** Bodies that no later try makes better; anything else that is no success may pass. */
const refusals = new Set([400, 413, 415, 422]);

export class Poster {
  readonly #endpoint: Endpoint;
  #agent: Agent | undefined;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** @throws Error when the aggregator can't be reached, is overloaded, or knows no such place or password. */
  async post(contentType: string, body: string, signal: AbortSignal): Promise<Answer> {
    const { gzip } = this.#endpoint;
    const bytes = gzip ? await gzipped(Buffer.from(body)) : Buffer.from(body);
    const headers = { "content-type": contentType, ...(gzip ? { "content-encoding": "gzip" } : {}) };
    const { status, text, laterMs } = await this.#send(headers, bytes, signal);
    if (status >= 200 && status < 300) return { status: "taken", text };
    if (refusals.has(status)) return { status: "refused", text: reason(status, text) };
    if (laterMs !== undefined) throw new RetryLater(reason(status, text), laterMs);
    throw new Error(reason(status, text));
  }

  #send(own: Readonly<Record<string, string>>, body: Buffer, signal: AbortSignal): Promise<Told> {
    const { url, headers } = this.#endpoint;
    const sizes = { ...own, "content-length": String(body.length) };
    return new Promise((resolve, reject) => {
      const request = this.#request(url, { method: "POST", headers: { ...headers, ...sizes }, signal });
      request.on("error", (error) => reject(signal.aborted ? (signal.reason as Error) : error));
      // An idle connection is no reason to stay alive; a request that is on its way is one through its timer.
      request.on("socket", (socket) => socket.unref());
      request.on("response", (response) => {
        readAll(response).then(
          (text) => {
            const { "retry-after": value, date } = response.headers;
            resolve({ status: response.statusCode ?? 0, text, laterMs: retryAfterMs(value, date) });
          },
          (error: unknown) => reject(error as Error),
        );
      });
      request.end(body);
    });
  }

  #request(url: URL, options: RequestOptions): ClientRequest {
    // Not imported: an import also evaluates the WebSocket exports of node:http, which load undici, some 30 ms of each start.
    const http =
      url.protocol === "https:" ? process.getBuiltinModule("node:https") : process.getBuiltinModule("node:http");
    this.#agent ??= new http.Agent({ keepAlive: true, maxSockets: 1 });
    return http.request(url, { ...options, agent: this.#agent });
  }

  close(): void {
    this.#agent?.destroy();
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > sinkAnswerBytesMax) throw new Error(`answered with more than ${sinkAnswerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function reason(status: number, text: string): string {
  return `answered ${status}: ${text.slice(0, 200).replace(/\s+/g, " ").trim()}`;
}
