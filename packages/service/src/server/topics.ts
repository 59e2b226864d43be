// Who is subscribed to what, and an event's way to them: encoded once, at most once to each, and what one misses is counted and told.
// Nothing is kept. Loaded only by services that have topics.
import { asError, type Timer, WherryError } from "@wherry/core";
import { eventCatchUpMs, eventQueueBytesMax, eventQueueMessagesMax } from "../limits.ts";
import { messageType } from "../protocol/codes.ts";
import { encodeContent } from "../protocol/content.ts";
import { encode, type Header } from "../protocol/frames.ts";
import { type Schema, validate } from "../schema.ts";
import type { PublishOptions, Published } from "../topic.ts";
import { noTopic } from "./requests.ts";
import type { Server } from "./server.ts";
import type { Session } from "./session.ts";

/** One topic of a service. */
interface Topic {
  readonly name: string;
  readonly schema: Schema;
  readonly subscribers: Set<Session>;
  /** Those that missed the newest events, and have not been told yet how many. */
  readonly behind: Set<Session>;
  /** Place of the last event; after 2³² − 1 comes 1. */
  last: number;
  published: number;
  /** Each subscriber counted by itself. */
  missed: number;
}

const lastPlace = 0xffffffff;

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
    else {
      topic.subscribers.add(session);
      this.#tellPosition(session, topic, id);
    }
  }

  forget(session: Session): void {
    for (const { subscribers, behind } of this.all.values()) {
      subscribers.delete(session);
      behind.delete(session);
    }
  }

  /** See `RequestContext.publish`. */
  publish(name: string, event: unknown, { onSlow = "drop" }: PublishOptions = {}): Published {
    const topic = this.all.get(name);
    if (topic === undefined) throw invalid(name, `service ${this.#server.service.name} has no such topic`);
    const { content, body } = encodeEvent(topic, event);
    const slow = new Set([...topic.subscribers].filter(isSlow));
    if (onSlow === "refuse" && slow.size > 0) return "refused";
    topic.published++;
    topic.last = topic.last === lastPlace ? 1 : topic.last + 1;
    const frames = encode(messageType.event, { number: topic.last, texts: [name], content }, body);
    for (const session of topic.subscribers) {
      if (slow.has(session)) this.#miss(topic, session);
      else {
        topic.behind.delete(session);
        session.send(frames);
      }
    }
    if (topic.subscribers.size === 0) return "nobody";
    return slow.size === 0 ? "sent" : slow.size < topic.subscribers.size ? "partly" : "refused";
  }

  #miss(topic: Topic, session: Session): void {
    topic.missed++;
    topic.behind.add(session);
    this.#timer ??= this.#server.clock.timer(eventCatchUpMs, () => this.#catchUp(), { background: true });
  }

  /** Whoever has room again is told how far its topics are: what it missed is known even if no event follows. */
  #catchUp(): void {
    this.#timer = undefined;
    let left = false;
    for (const topic of this.all.values())
      for (const session of topic.behind) {
        if (isSlow(session)) left = true;
        else {
          topic.behind.delete(session);
          this.#tellPosition(session, topic, 0);
        }
      }
    if (left && this.#server.state !== "ended")
      this.#timer = this.#server.clock.timer(eventCatchUpMs, () => this.#catchUp(), { background: true });
  }

  #tellPosition(session: Session, { name, last }: Topic, id: number): void {
    session.send(encode(messageType.position, { id, number: last, texts: [name] }));
  }

  /** The service ends. */
  close(): void {
    this.#timer?.cancel();
  }
}

function isSlow({ peer }: Session): boolean {
  return peer.queuedMessages >= eventQueueMessagesMax || peer.queuedBytes >= eventQueueBytesMax;
}

function encodeEvent({ name, schema }: Topic, event: unknown): ReturnType<typeof encodeContent> {
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
