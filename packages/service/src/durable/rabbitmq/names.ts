// How queues and messages are called in RabbitMQ, and with what arguments each queue is declared. Every process that meets a queue
// declares it the same way; RabbitMQ refuses a second way.
import type { Message, Options } from "amqplib";
import { brokerDeliveriesMax, rabbitKeysSegmentBytes, redeliverFirstMs } from "../../limits.ts";
import { header, letterOf, numberOf, type Texts } from "../headers.ts";
import type { DeadLetter } from "../types.ts";

export const workQueue = (queue: string): string => `wherry.work.${queue}`;
export const deadQueue = (queue: string): string => `wherry.dead.${queue}`;
export const retryQueue = (queue: string, pauseMs: number): string => `wherry.retry.${queue}.${pauseMs}`;
/** Who published which key, within the window. */
export const keysStream = (queue: string): string => `wherry.keys.${queue}`;

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

/** Whole segments are deleted, once their youngest record is out of the window. */
export function keysOptions(windowMs: number): Options.AssertQueue {
  return {
    durable: true,
    arguments: {
      "x-queue-type": "stream",
      "x-max-age": `${Math.ceil(windowMs / 1000)}s`,
      "x-stream-max-segment-size-bytes": rabbitKeysSegmentBytes,
    },
  };
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

/** What a message has beside its body. */
export function headersOf({ properties }: Message): Texts {
  const given: Readonly<Record<string, unknown>> = properties.headers ?? {};
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, asText(value)]));
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

/** Deliveries so far, this one included: RabbitMQ counts those of this copy that failed. */
export function countOf(headers: Texts): number {
  return numberOf(headers, header.count) + numberOf(headers, "x-delivery-count") + 1;
}

/** Without a code of ours RabbitMQ itself gave up: its `x-death` says why. */
export function letterIn(message: Message): DeadLetter {
  const headers = headersOf(message);
  const letter = letterOf(String(message.properties.messageId), headers, message.content);
  if (headers[header.code] !== undefined) return letter;
  const reason = { code: "REDELIVERIES", message: `was delivered ${brokerDeliveriesMax} times` };
  return { ...letter, reason, count: brokerDeliveriesMax };
}
