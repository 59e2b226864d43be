// What an endpoint has beside its calls: streams and subscriptions over the same connection. It hands each message to whom it is for;
// streams know their own state machine (stream.ts), subscriptions theirs (subscriptions.ts).
import { ServiceError } from "../errors.ts";
import { messageType } from "../protocol/codes.ts";
import { type Codec, decodeContent } from "../protocol/content.ts";
import { type Decoded, encode } from "../protocol/frames.ts";
import type { StreamKind } from "../stream/types.ts";
import { Outflow } from "../stream/window.ts";
import { errorOf, parsed } from "./answers.ts";

/** A stream, as the messages of its endpoint reach it. */
export interface Channel {
  take(message: Decoded): void;
  /** The connection is gone. */
  lost(error: ServiceError): void;
}

/** Where an endpoint's events go. */
export interface EventSink {
  /** @param missed events of that pod and topic that were missed before this one. */
  event(event: { topic: string; value: unknown; sequence: number; missed: number; instance: string }): void;
  /** Missed, and no event tells so. */
  missed(topic: string, missed: number, instance: string): void;
  /** Events of the topic come from here from now on. */
  subscribed(topic: string): void;
  /** None come from here: the service said no. */
  refused(topic: string, error: ServiceError): void;
}

/** Requests have the ids below; streams and subscriptions those from here on, so that the two never meet. */
export const requestIdMax = 0x7fffffff;
const firstId = requestIdMax + 1;
const lastId = 0xffffffff;

export class Channels {
  readonly outflow: Outflow = new Outflow();
  /** What the service's WELCOME said: its streams by name, and its topics. */
  streams: ReadonlyMap<string, StreamKind> = new Map();
  topics: ReadonlySet<string> = new Set();
  readonly #open: Map<number, Channel> = new Map();
  /** Place of the last event seen of each topic that was asked for; undefined until POSITION came. */
  readonly #positions: Map<string, number | undefined> = new Map();
  /** Topics asked for on this connection. */
  readonly #asked = new Set<string>();
  /** Those of which no answer has come, by the id of the question. */
  readonly #questions: Map<number, string> = new Map();
  readonly #send: (frames: readonly Uint8Array[]) => boolean;
  readonly #idle: () => void;
  #sink: EventSink | undefined;
  #instance = "";
  #linked = false;
  #lastId = firstId - 1;

  /** In place of JSON, for what streams and topics carry. */
  readonly codec: Codec | undefined;

  /** @param idle called when the last stream has ended. */
  constructor(send: (frames: readonly Uint8Array[]) => boolean, idle: () => void, codec: Codec | undefined) {
    this.codec = codec;
    this.#send = send;
    this.#idle = idle;
  }

  /** Streams that are not over. */
  get size(): number {
    return this.#open.size;
  }

  /** @returns the id of a new stream's messages. */
  add(channel: Channel): number {
    const id = this.#nextId();
    this.#open.set(id, channel);
    return id;
  }

  #nextId(): number {
    do this.#lastId = this.#lastId === lastId ? firstId : this.#lastId + 1;
    while (this.#open.has(this.#lastId) || this.#questions.has(this.#lastId));
    return this.#lastId;
  }

  delete(id: number): void {
    if (this.#open.delete(id) && this.#open.size === 0) this.#idle();
  }

  /** @returns false when it was not sent, and is certain not to have been. */
  send(...message: Parameters<typeof encode<Uint8Array>>): boolean {
    return this.#send(encode(...message));
  }

  /** Asks for the events of topics, unless that was done on this connection. */
  subscribe(topics: Iterable<string>, sink: EventSink): void {
    this.#sink = sink;
    if (!this.#linked) return;
    for (const topic of topics) {
      if (this.#asked.has(topic) || !this.topics.has(topic)) continue;
      const id = this.#nextId();
      if (!this.send(messageType.subscribe, { id, texts: [topic] })) continue;
      this.#asked.add(topic);
      this.#questions.set(id, topic);
    }
  }

  unsubscribe(topic: string): void {
    this.#positions.delete(topic);
    if (this.#asked.delete(topic)) this.send(messageType.unsubscribe, { texts: [topic] });
  }

  welcome({ header, body }: Decoded): void {
    const { streams, topics } = parsed(header.content, body);
    const [, instance = ""] = header.texts;
    // Another process: it counts anew.
    if (instance !== this.#instance) this.#positions.clear();
    this.#instance = instance;
    this.#linked = true;
    this.#asked.clear();
    this.#questions.clear();
    this.streams = new Map(Object.entries(streams ?? {}).filter(isStream));
    this.topics = new Set(Array.isArray(topics) ? topics.map(String) : []);
  }

  /** @returns true when it was a message of a stream or subscription. */
  take(message: Decoded): boolean {
    const { type, id } = message.header;
    if (type === messageType.event) this.#event(message);
    else if (type === messageType.position) this.#position(message);
    else if (type === messageType.error && this.#questions.has(id)) this.#refused(message);
    else if (id >= firstId) this.#open.get(id)?.take(message);
    else return false;
    return true;
  }

  /** The connection broke, or the pod has not answered for long. */
  lost(why: string): void {
    this.#linked = false;
    const message = `${why} while the stream was open; it may have had its effect`;
    const error = new ServiceError("ABORTED", message, { retryable: true, fate: "maybe-executed" });
    const channels = [...this.#open.values()];
    this.#open.clear();
    for (const channel of channels) channel.lost(error);
  }

  #position({ header }: Decoded): void {
    const [topic = ""] = header.texts;
    this.#questions.delete(header.id);
    if (!this.#asked.has(topic)) return;
    const last = this.#positions.get(topic);
    this.#positions.set(topic, header.number);
    const missed = last === undefined ? 0 : distance(last, header.number);
    if (missed > 0) this.#sink?.missed(topic, missed, this.#instance);
    this.#sink?.subscribed(topic);
  }

  #refused({ header, body }: Decoded): void {
    const topic = this.#questions.get(header.id) ?? "";
    this.#questions.delete(header.id);
    if (!this.#asked.has(topic)) return;
    const error = errorOf(header, body);
    // Else it stays asked for: on this connection the answer would be the same.
    if (error.retryable) this.#asked.delete(topic);
    this.#sink?.refused(topic, error);
  }

  #event({ header, body }: Decoded): void {
    const [topic = ""] = header.texts;
    const last = this.#positions.get(topic);
    // Not asked for any more: it and UNSUBSCRIBE crossed.
    if (last === undefined || !this.#asked.has(topic)) return;
    this.#positions.set(topic, header.number);
    const missed = distance(last, header.number) - 1;
    const sequence = header.number;
    try {
      const value = decodeContent(header.content, body, this.codec);
      this.#sink?.event({ topic, value, sequence, missed, instance: this.#instance });
    } catch {
      // It came, and nobody can read it.
      this.#sink?.missed(topic, missed + 1, this.#instance);
    }
  }
}

function isStream(entry: [string, unknown]): entry is [string, StreamKind] {
  return entry[1] === "out" || entry[1] === "in" || entry[1] === "both";
}

/** How many places further; after 2³² − 1 comes 1. */
function distance(from: number, to: number): number {
  return to >= from ? to - from : to - from + lastId;
}
