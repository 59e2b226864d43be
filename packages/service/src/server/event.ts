// One event of a topic, on its way to all who are subscribed: encoded once for each codec that they speak, and placed among its pod's
// events of that topic. Who they are is the business of topics.ts.
import { asError } from "@wherry/core";
import { contentType, messageType } from "../protocol/codes.ts";
import { type Codec, type Content, encodeContent } from "../protocol/content.ts";
import { encode } from "../protocol/frames.ts";

/** An event on its way to all. */
export class PublishedEvent {
  readonly topic: string;
  /** Among its pod's events of this topic, from 1; after 2³² − 1 comes 1. */
  readonly place: number;
  readonly #content: EventContent;
  readonly #frames: Map<Content, readonly Uint8Array[]> = new Map();

  constructor(topic: string, place: number, content: EventContent) {
    this.topic = topic;
    this.place = place;
    this.#content = content;
  }

  /** What a subscriber who speaks this codec gets; undefined: it cannot be said to him. */
  contentFor(codec: string | undefined): Content | undefined {
    return this.#content.for(codec);
  }

  /** As an EVENT message, encoded once for all who speak the same. */
  framesOf(content: Content): readonly Uint8Array[] {
    let frames = this.#frames.get(content);
    if (frames === undefined) {
      const fields = { number: this.place, texts: [this.topic], content: content.content };
      frames = encode(messageType.event, fields, content.body);
      this.#frames.set(content, frames);
    }
    return frames;
  }
}

/** An event's value in the forms that its subscribers speak: by the service's codec, or as JSON, each made when first wanted. */
export class EventContent {
  readonly #value: unknown;
  readonly #codec: Codec | undefined;
  readonly #own: Content;
  #json: Content | null | undefined;
  readonly #notJson: (error: Error) => void;

  /** @param notJson told of a value that only the codec can hold. @throws what the codec, or JSON where there is none, cannot hold */
  constructor(value: unknown, codec: Codec | undefined, notJson: (error: Error) => void) {
    this.#value = value;
    this.#codec = codec;
    this.#own = encodeContent(value, codec);
    // Bytes and nothing are the same to all.
    if (this.#own.content !== contentType.coded) this.#json = this.#own;
    this.#notJson = notJson;
  }

  for(codec: string | undefined): Content | undefined {
    if (this.#codec !== undefined && codec === this.#codec.name) return this.#own;
    if (this.#json === undefined) this.#json = this.#encodeJson();
    return this.#json ?? undefined;
  }

  #encodeJson(): Content | null {
    try {
      return encodeContent(this.#value);
    } catch (error) {
      this.#notJson(asError(error));
      return null;
    }
  }
}

/** Who gets events. */
export interface Subscriber {
  /** What waits for it already is as much as may wait: it misses events until that has changed. */
  readonly isSlow: boolean;
  /** Bytes that wait for it. */
  readonly waitingBytes: number;
  /** The name of the codec that it speaks; absent: JSON alone. */
  readonly codec?: string | undefined;
  /** @param content what `contentFor` its codec gave */
  event(event: PublishedEvent, content: Content): void;
  /** How far the topic is: what lies between it and the last event was missed. @param id of its SUBSCRIBE, or 0 */
  position(topic: string, last: number, id: number): void;
}
