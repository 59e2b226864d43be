// How queues and messages are called in NATS. A queue is a stream of work and a stream of dead letters; names of services and methods
// have no `:`, so no two queues share one.
import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import type { ContentType } from "../../protocol/codes.ts";

const stream = (queue: string): string => queue.replaceAll(".", ":");
export const workStream = (queue: string): string => `wherry-work:${stream(queue)}`;
export const workSubject = (queue: string): string => `wherry.work.${queue}`;
export const deadStream = (queue: string): string => `wherry-dead:${stream(queue)}`;
export const deadSubject = (queue: string): string => `wherry.dead.${queue}`;
/** The one durable consumer that all pods share. */
export const consumerName = "wherry";

/** Header values are one line of ASCII: texts are escaped. */
export const header = {
  content: "Wherry-Content",
  key: "Wherry-Key",
  trace: "traceparent",
  published: "Wherry-Published",
  count: "Wherry-Count",
  code: "Wherry-Dead-Code",
  reason: "Wherry-Dead-Reason",
} as const;

export function read(headers: MsgHdrs | undefined, name: string): string | undefined {
  const value = headers?.get(name) ?? "";
  return value === "" ? undefined : decodeURIComponent(value);
}

export function contentOf(headers: MsgHdrs | undefined): ContentType {
  const content = Number(read(headers, header.content) ?? 0);
  return content === 1 || content === 2 ? content : 0;
}

/** What the reply subject of a delivery says: https://docs.nats.io/reference/reference-protocols/nats_api_reference#consumer-acknowledgement */
export interface DeliveryFacts {
  readonly count: number;
  readonly seq: string;
  readonly storedMs: number;
}

/** `$JS.ACK.[domain.account.]stream.consumer.delivered.stream-seq.consumer-seq.nanoseconds.pending[.random]` */
export function factsOf({ reply = "" }: Msg): DeliveryFacts | undefined {
  const tokens = reply.split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK" || tokens.length < 9) return undefined;
  const [count = "", seq = "", , nanoseconds = ""] = tokens.slice(tokens.length === 9 ? 4 : 6);
  return { count: Number(count), seq, storedMs: Math.floor(Number(nanoseconds) / 1e6) };
}
