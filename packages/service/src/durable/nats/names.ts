// How queues and messages are called in NATS. A queue is a stream of work and a stream of dead letters; names of services and methods
// have no `:`, so no two queues share one.
import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import type { Texts } from "../headers.ts";

const stream = (queue: string): string => queue.replaceAll(".", ":");
export const workStream = (queue: string): string => `wherry-work:${stream(queue)}`;
export const workSubject = (queue: string): string => `wherry.work.${queue}`;
export const deadStream = (queue: string): string => `wherry-dead:${stream(queue)}`;
export const deadSubject = (queue: string): string => `wherry.dead.${queue}`;
/** The one durable consumer that all pods share. */
export const consumerName = "wherry";

/** Header values are one line of ASCII: texts are escaped. What others have put there, and did not escape so, is read as it is. */
export function textsOf(headers: MsgHdrs | undefined): Texts {
  return Object.fromEntries((headers?.keys() ?? []).map((name) => [name, unescaped(headers?.get(name) ?? "")]));
}

function unescaped(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

export function write(headers: MsgHdrs, texts: Texts): MsgHdrs {
  for (const [name, value] of Object.entries(texts))
    if (value !== undefined && value !== "") headers.set(name, encodeURIComponent(value));
  return headers;
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
  // Cut off as text: so many nanoseconds are no exact number, and the last hundred of a millisecond would be the next one's, which is
  // another time than the stream tells of the same message.
  return { count: Number(count), seq, storedMs: Number(nanoseconds.slice(0, -6)) };
}
