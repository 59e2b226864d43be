// Who is subscribed to what, and an event's way to them: encoded once, at most once to each, and what one misses is counted and told.
// Nothing is kept. Loaded only by services that have topics.
import { asError, type Timer, WherryError } from "@wherry/core";
import { eventCatchUpMs } from "../limits.ts";
import { messageType } from "../protocol/codes.ts";
import { type Content, encodeContent } from "../protocol/content.ts";
import { encode, type Header } from "../protocol/frames.ts";
import { type Schema, validate } from "../schema.ts";
import type { PublishOptions, Published } from "../topic.ts";
import { noTopic } from "./requests.ts";
import type { Server } from "./server.ts";
import type { Session } from "./session.ts";

/** An event on its way to all. */
export class PublishedEvent {
  readonly topic: string;
  /** Among its pod's events of this topic, from 1; after 2³² − 1 comes 1. */
  readonly place: number;
  readonly content: Content;
  #frames: readonly Uint8Array[] | undefined;

  constructor(topic: string, place: number, content: Content) {
    this.topic = topic;
    this.place = place;
    this.content = content;
  }

  /** As an EVENT message, encoded once for all. */
  get frames(): readonly Uint8Array[] {
    const { topic, place, content } = this;
    const fields = { number: place, texts: [topic], content: content.content };
    return (this.#frames ??= encode(messageType.event, fields, content.body));
  }
}

/** Who gets events. */
export interface Subscriber {
  /** What waits for it already is as much as may wait: it misses events until that has changed. */
  readonly isSlow: boolean;
  event(event: PublishedEvent): void;
  /** How far the topic is: what lies between it and the last event was missed. @param id of its SUBSCRIBE, or 0 */
  position(topic: string, last: number, id: number): void;
}

/** One topic of a service. */
interface Topic {
  readonly name: string;
  readonly schema: Schema;
  readonly subscribers: Set<Subscriber>;
  /** Those that missed the newest events, and have not been told yet how many. */
  readonly behind: Set<Subscriber>;
  /** Place of the last event. */
  last: number;
  published: number;
  /** Each subscriber counted by itself. */
  missed: number;
}

export const lastPlace = 0xffffffff;

export class Topics {
  readonly all: ReadonlyMap<string, Topic>;
  readonly #server: Server;
  #timer: Timer | undefined;

  constructor(server: Server) {
    this.#server = server;
    this.all = new Map(
      [...server.service.topics].map(([name, schema]) => {
        const counts = { last: 0, published: 0, missed: 0 };
        return [name, { name, schema, subscribers: new Set(), behind: new Set(), ...counts }];
      }),
    );
  }

  /** SUBSCRIBE or UNSUBSCRIBE. */
  take(session: Session, { type, id, texts }: Header): void {
    const [name = ""] = texts;
    const topic = this.all.get(name);
    if (type === messageType.unsubscribe) {
      topic?.subscribers.delete(session);
      topic?.behind.delete(session);
    } else if (topic === undefined) session.fail(id, noTopic(this.#server.service, name));
    else this.subscribe(topic, session, id);
  }

  /** From now on it gets the topic's events; it is told at once how far the topic is. */
  subscribe(topic: Topic, subscriber: Subscriber, id = 0): void {
    topic.subscribers.add(subscriber);
    subscriber.position(topic.name, topic.last, id);
  }

  forget(subscriber: Subscriber): void {
    for (const { subscribers, behind } of this.all.values()) {
      subscribers.delete(subscriber);
      behind.delete(subscriber);
    }
  }

  /** See `RequestContext.publish`. */
  publish(name: string, event: unknown, { onSlow = "drop" }: PublishOptions = {}): Published {
    const topic = this.all.get(name);
    if (topic === undefined) throw invalid(name, `service ${this.#server.service.name} has no such topic`);
    const content = encodeEvent(topic, event);
    const slow = new Set([...topic.subscribers].filter(({ isSlow }) => isSlow));
    if (onSlow === "refuse" && slow.size > 0) return "refused";
    topic.published++;
    topic.last = topic.last === lastPlace ? 1 : topic.last + 1;
    const published = new PublishedEvent(name, topic.last, content);
    for (const subscriber of topic.subscribers) {
      if (slow.has(subscriber)) this.#miss(topic, subscriber);
      else {
        topic.behind.delete(subscriber);
        subscriber.event(published);
      }
    }
    if (topic.subscribers.size === 0) return "nobody";
    return slow.size === 0 ? "sent" : slow.size < topic.subscribers.size ? "partly" : "refused";
  }

  #miss(topic: Topic, subscriber: Subscriber): void {
    topic.missed++;
    topic.behind.add(subscriber);
    this.#timer ??= this.#server.clock.timer(eventCatchUpMs, () => this.#catchUp(), { background: true });
  }

  /** Whoever has room again is told how far its topics are: what it missed is known even if no event follows. */
  #catchUp(): void {
    this.#timer = undefined;
    let left = false;
    for (const topic of this.all.values())
      for (const subscriber of topic.behind) {
        if (subscriber.isSlow) left = true;
        else {
          topic.behind.delete(subscriber);
          subscriber.position(topic.name, topic.last, 0);
        }
      }
    if (left && this.#server.state !== "ended")
      this.#timer = this.#server.clock.timer(eventCatchUpMs, () => this.#catchUp(), { background: true });
  }

  /** The service ends. */
  close(): void {
    this.#timer?.cancel();
  }
}

function encodeEvent({ name, schema }: Topic, event: unknown): Content {
  try {
    const valid = validate(schema, event, "event");
    if (valid instanceof Promise) {
      valid.catch(() => undefined);
      throw new TypeError("its schema checks asynchronously; events are published in order, so it must be synchronous");
    }
    return encodeContent(valid);
  } catch (error) {
    throw invalid(name, asError(error).message, error);
  }
}

function invalid(name: string, why: string, cause?: unknown): WherryError {
  return new WherryError(`topic ${name}: cannot publish: ${why}`, { code: "SERVICE_EVENT_INVALID", cause });
}
