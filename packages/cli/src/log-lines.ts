// One container's log as lines, over HTTPS, as `kubectl logs` reads it. Yields whole lines; a longer one than the limit is
// cut into several.
import { request } from "node:https";
import { StringDecoder } from "node:string_decoder";
import type { ClusterAccess } from "./client.ts";
import { cliLimits } from "./limits.ts";

export interface LogQuery {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly follow?: boolean;
  readonly previous?: boolean;
  readonly tailLines?: number;
  /** Each line after its time. */
  readonly timestamps?: boolean;
}

/** Ends with the log, or when the signal aborts. A container without a log yet yields nothing. */
export async function* logLines(access: ClusterAccess, query: LogQuery, signal: AbortSignal): AsyncGenerator<string> {
  yield* linesOf(await open(access, query, signal));
}

export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of chunks) {
    rest += decoder.write(chunk);
    let start = 0;
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n", start)) {
      yield rest.slice(start, end);
      start = end + 1;
    }
    rest = rest.slice(start);
    if (rest.length > cliLimits.logLineCharsMax) {
      yield rest;
      rest = "";
    }
  }
  rest += decoder.end();
  if (rest !== "") yield rest;
}

async function open(access: ClusterAccess, query: LogQuery, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
  const url = new URL(
    `${access.server}/api/v1/namespaces/${encodeURIComponent(query.namespace)}/pods/${encodeURIComponent(query.pod)}/log`,
  );
  url.searchParams.set("container", query.container);
  if (query.follow === true) url.searchParams.set("follow", "true");
  if (query.previous === true) url.searchParams.set("previous", "true");
  if (query.timestamps === true) url.searchParams.set("timestamps", "true");
  if (query.tailLines !== undefined) url.searchParams.set("tailLines", String(query.tailLines));
  return new Promise((resolve, reject) => {
    const call = request(url, {
      ca: access.ca,
      headers: { authorization: `Bearer ${access.token}` },
      agent: false,
      signal,
    });
    call.once("error", reject);
    call.once("response", (response) => {
      if (response.statusCode === 200) {
        resolve(untilEnd(response));
        return;
      }
      // Waiting to start, or gone: there is no log to show.
      response.resume();
      resolve(nothing());
    });
    call.end();
  });
}

async function* nothing(): AsyncGenerator<Buffer> {
  yield* [];
}

/** A stream that breaks off is at its end: the daemon was stopped, or the caller went. */
async function* untilEnd(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* stream;
  } catch {
    return;
  }
}
