// What a message has beside its body, as headers of texts: the same names in each broker that has a server. Pure.
import { contentType, type ContentType } from "../protocol/codes.ts";
import type { DeadLetter, DeadReason, OutgoingMessage } from "./types.ts";

export const header = {
  content: "wherry-content",
  codec: "wherry-codec",
  key: "wherry-key",
  trace: "traceparent",
  traceState: "tracestate",
  published: "wherry-published",
  /** Deliveries that count before this copy of the message was published. */
  count: "wherry-count",
  code: "wherry-dead-code",
  reason: "wherry-dead-reason",
  died: "wherry-dead-at",
} as const;

/** Headers by name; those without a value are left out. */
export type Texts = Readonly<Record<string, string | undefined>>;

export function headersOf(message: OutgoingMessage, publishedMs: number): Texts {
  const { content, codec, key, trace, traceState } = message;
  return {
    [header.content]: String(content),
    [header.codec]: codec,
    [header.key]: key,
    [header.trace]: trace,
    [header.traceState]: traceState,
    [header.published]: String(publishedMs),
  };
}

/** Those that a copy keeps: for a pause, as a dead letter, and when that is driven back. */
export function keptOf(headers: Texts): Texts {
  const { content, codec, key, trace, traceState, published } = header;
  const names = [content, codec, key, trace, traceState, published];
  return Object.fromEntries(names.map((name) => [name, headers[name]]));
}

export function deadHeaders(headers: Texts, { code, message }: DeadReason, count: number, diedMs: number): Texts {
  const why = { [header.code]: code, [header.reason]: message, [header.died]: String(diedMs) };
  return { ...keptOf(headers), [header.count]: String(count), ...why };
}

/** The message as it was published. */
export function messageOf(headers: Texts, data: Uint8Array): OutgoingMessage {
  const content = contentOf(headers);
  return {
    content,
    codec: headers[header.codec],
    key: headers[header.key],
    trace: headers[header.trace],
    traceState: headers[header.traceState],
    body: content === contentType.none ? undefined : data,
  };
}

function contentOf(headers: Texts): ContentType {
  const content = Number(headers[header.content]);
  return content === contentType.json || content === contentType.bytes || content === contentType.coded
    ? content
    : contentType.none;
}

/** 0 for what is none, or is not there. */
export function numberOf(headers: Texts, name: string): number {
  const value = Number(headers[name] ?? 0);
  return Number.isFinite(value) ? value : 0;
}

export function letterOf(id: string, headers: Texts, data: Uint8Array): DeadLetter {
  const { key, content, codec, body } = messageOf(headers, data);
  return {
    ...{ id, key, content, codec, body },
    reason: { code: headers[header.code] ?? "", message: headers[header.reason] ?? "" },
    count: numberOf(headers, header.count),
    publishedMs: numberOf(headers, header.published),
    diedMs: numberOf(headers, header.died),
  };
}
