// How queues and messages are called in RabbitMQ, and with what arguments each queue is declared. Every process that meets a queue
// declares it the same way; RabbitMQ refuses a second way.
import { createHash } from "node:crypto";
import type { Message, Options } from "amqplib";
import { brokerDeliveriesMax, redeliverFirstMs } from "../../limits.ts";
import { contentType, type ContentType } from "../../protocol/codes.ts";
import type { DeadLetter } from "../types.ts";

export const workQueue = (queue: string): string => `wherry.work.${queue}`;
export const deadQueue = (queue: string): string => `wherry.dead.${queue}`;
export const retryQueue = (queue: string, pauseMs: number): string => `wherry.retry.${queue}.${pauseMs}`;
/** Keys may hold what names may not. A name has at most 255 bytes, so the queue in it is for people, and may be cut. */
const nameOfKey = (queue: string, key: string): string =>
  `${queue.slice(0, 200)}.${createHash("sha256").update(`${queue}\0${key}`).digest("hex").slice(0, 40)}`;
export const seenQueue = (queue: string, key: string): string => `wherry.seen.${nameOfKey(queue, key)}`;
export const lockQueue = (queue: string, key: string): string => `wherry.lock.${nameOfKey(queue, key)}`;

/** Replicated where there are several nodes. Its own limit of deliveries is a second net: the framework's is lower. */
export function workOptions(queue: string): Options.AssertQueue {
  return {
    durable: true,
    arguments: {
      "x-queue-type": "quorum",
      "x-delivery-limit": brokerDeliveriesMax,
      ...deadLetteringTo(deadQueue(queue)),
    },
  };
}

/** Looking at dead letters counts as delivering them: they must not die again of being looked at. */
export const deadOptions: Options.AssertQueue = {
  durable: true,
  arguments: { "x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000 },
};

/** A message waits here until its time is over, and goes back to work. */
export function retryOptions(queue: string, pauseMs: number): Options.AssertQueue {
  return {
    durable: true,
    arguments: { "x-queue-type": "quorum", "x-message-ttl": pauseMs, ...deadLetteringTo(workQueue(queue)) },
  };
}

/** Holds one message for as long as the key counts as seen. */
export function seenOptions(windowMs: number): Options.AssertQueue {
  return { durable: true, arguments: { "x-queue-type": "classic", "x-expires": windowMs, "x-max-length": 1 } };
}

/** `at-least-once`: the message stays until the other queue has confirmed it; it asks for `reject-publish`. */
function deadLetteringTo(queue: string): Record<string, string> {
  return {
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": queue,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
  };
}

/** RabbitMQ has a queue for each pause, so pauses are rounded up to 100 ms times a power of two: there are ten up to a minute. */
export function pauseStepMs(delayMs: number): number {
  return redeliverFirstMs * 2 ** Math.max(0, Math.ceil(Math.log2(delayMs / redeliverFirstMs)));
}

/** The pauses of which `depth` counts the messages. */
export const pauseStepsMs: readonly number[] = Array.from({ length: 10 }, (_, step) => redeliverFirstMs * 2 ** step);

export const header = {
  content: "wherry-content",
  key: "wherry-key",
  trace: "traceparent",
  published: "wherry-published",
  /** Deliveries before the message was published anew, for a pause. */
  count: "wherry-count",
  code: "wherry-dead-code",
  reason: "wherry-dead-reason",
  died: "wherry-dead-at",
} as const;

type Headers = Readonly<Record<string, unknown>>;

export function headersOf({ properties }: Message): Headers {
  return properties.headers ?? {};
}

export function text(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}

export function number(headers: Headers, name: string): number {
  const value = Number(headers[name]);
  return Number.isFinite(value) ? value : 0;
}

export function contentOf(headers: Headers): ContentType {
  const content = number(headers, header.content);
  return content === contentType.json || content === contentType.bytes ? content : contentType.none;
}

/** Deliveries so far, this one included: RabbitMQ counts those of this publish that failed. */
export function countOf(headers: Headers): number {
  return number(headers, header.count) + number(headers, "x-delivery-count") + 1;
}

export function letterOf(message: Message): DeadLetter {
  const headers = headersOf(message);
  const content = contentOf(headers);
  // Without a code of ours RabbitMQ itself gave up: its `x-death` says why.
  const code = text(headers, header.code);
  return {
    id: String(message.properties.messageId),
    key: text(headers, header.key),
    content,
    body: content === contentType.none ? undefined : message.content,
    reason: {
      code: code ?? "REDELIVERIES",
      message: text(headers, header.reason) ?? `was delivered ${brokerDeliveriesMax} times`,
    },
    count: code === undefined ? brokerDeliveriesMax : number(headers, header.count),
    publishedMs: number(headers, header.published),
    diedMs: number(headers, header.died),
  };
}
