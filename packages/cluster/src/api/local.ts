// The API for components in this process: the same requests, authorization and validation as over the network, without
// HTTP and without JSON. What comes back is frozen and shared with everybody; nothing is parsed twice.
import { StatusError, type Status, type WatchEvent } from "@wherry/kube";
import type { Transport, TransportRequest, TransportResponse } from "@wherry/kube/client";
import type { ApiBody, ApiHandler, ApiRequest, ApiResponse, User } from "./types.ts";

const never = new AbortController().signal;
const noQuery = new URLSearchParams();

/** @param user whom the API sees; nobody over the network can be that user. */
export function localTransport(api: ApiHandler, user: User): Transport {
  const send = (request: TransportRequest, signal: AbortSignal): Promise<ApiResponse> => {
    const headers = { "content-type": request.contentType ?? "application/json", ...request.headers };
    const call: ApiRequest = {
      method: request.method,
      path: request.path,
      query: request.query ?? noQuery,
      headers,
      user,
      inProcess: true,
      ...(request.body !== undefined && { body: { object: request.body } }),
      signal,
    };
    return api.handle(call);
  };
  return {
    async request(request) {
      const signal = request.signal ?? never;
      signal.throwIfAborted();
      const { status, body, warnings } = await send(request, signal);
      const answer: TransportResponse = {
        status,
        body: await valueOf(body),
        ...(warnings !== undefined && { warnings }),
      };
      return answer;
    },
    async *watch(request) {
      const abort = new AbortController();
      const signal = request.signal === undefined ? abort.signal : AbortSignal.any([abort.signal, request.signal]);
      try {
        if (signal.aborted) return;
        const { status, body } = await send(request, signal);
        if (!("events" in body)) throw new StatusError({ code: status, ...((await valueOf(body)) as Status) });
        const stopped = (): boolean => signal.aborted;
        for await (const batch of body.events)
          for (const event of batch) {
            if (stopped()) return;
            yield event as unknown as WatchEvent;
          }
      } finally {
        abort.abort();
      }
    },
  };
}

async function valueOf(body: ApiBody): Promise<unknown> {
  if ("object" in body) return body.object;
  if ("json" in body) return JSON.parse(body.json);
  if ("text" in body) return body.contentType.startsWith("application/json") ? JSON.parse(body.text) : body.text;
  if ("events" in body) throw new Error("a watch was sent as a plain request: use `watch`");
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream) chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks).toString("utf8");
}
