// Who is subscribed to what, and which of them get an event: each at most once, and what one misses is counted and told. Nothing is
// kept. Loaded only by services that have topics.
import { asError, type Timer, WherryError } from "@wherry/core";
import type { ServiceError } from "../errors.ts";
import { eventCatchUpMs, eventQueuesBytesMax } from "../limits.ts";
import { lastPlace, messageType } from "../protocol/codes.ts";
import type { Header } from "../protocol/frames.ts";
import { type Schema, validate } from "../schema.ts";
import type { PublishOptions, Published } from "../topic.ts";
import type { Authorizer } from "./authorize.ts";
import { EventContent, PublishedEvent, type Subscriber } from "./event.ts";
import type { Host } from "./host.ts";
import { noTopic } from "./refusals.ts";
import type { Session } from "./session.ts";

/** What topics need of the server. */
interface TopicsHost extends Host {
  readonly authorizer: Authorizer;
}

/** One topic of a service. */
interface Topic {
  readonly name: string;
  readonly schema: Schema;
  readonly subscribers: Set<Subscriber>;
  /** Those of which it is not decided whether they may, with the id of their last SUBSCRIBE. */
  readonly asking: Map<Subscriber, number>;
  /** Those that missed the newest events, and have not been told yet how many. */
  readonly behind: Set<Subscriber>;
  /** Place of the last event. */
  last: number;
  published: number;
  /** Each subscriber counted by itself. */
  missed: number;
  /** The log has said that JSON cannot hold its events. */
  untold: boolean;
}

export class Topics {
  readonly all: ReadonlyMap<string, Topic>;
  readonly #server: TopicsHost;
  readonly #bytesMax: number;
  #timer: Timer | undefined;

  constructor(server: TopicsHost, bytesMax: number = eventQueuesBytesMax) {
    this.#server = server;
    this.#bytesMax = bytesMax;
    this.all = new Map(
      [...server.service.topics].map(([name, schema]) => {
        const counts = { last: 0, published: 0, missed: 0, untold: false };
        return [name, { name, schema, subscribers: new Set(), asking: new Map(), behind: new Set(), ...counts }];
      }),
    );
  }

  /** SUBSCRIBE or UNSUBSCRIBE. */
  take(session: Session, { type, id, texts }: Header): void {
    const [name = ""] = texts;
    const topic = this.all.get(name);
    if (type === messageType.unsubscribe) {
      topic?.subscribers.delete(session);
      topic?.asking.delete(session);
      topic?.behind.delete(session);
    } else if (topic === undefined) session.fail(id, noTopic(this.#server.service, name));
    else if (this.#server.service.authorize === undefined) this.subscribe(topic, session, id);
    else void this.#ask(topic, session, id);
  }

  /** One question at a time for each subscriber and topic; it may take itself back, or leave, meanwhile. */
  async #ask(topic: Topic, session: Session, id: number): Promise<void> {
    const { asking, name } = topic;
    const isAsked = asking.has(session);
    asking.set(session, id);
    if (isAsked) return;
    const asked = this.#server.authorizer.ask("$subscribe", session, name) ?? Promise.resolve();
    const refused = await asked.then(
      () => undefined,
      (error: unknown) => error as ServiceError,
    );
    const last = asking.get(session);
    if (last === undefined) return;
    asking.delete(session);
    if (refused === undefined) this.subscribe(topic, session, last);
    else {
      topic.subscribers.delete(session);
      session.fail(last, refused);
    }
  }

  /** From now on it gets the topic's events; it is told at once how far the topic is. */
  subscribe(topic: Topic, subscriber: Subscriber, id = 0): void {
    topic.subscribers.add(subscriber);
    subscriber.position(topic.name, topic.last, id);
  }

  forget(subscriber: Subscriber): void {
    for (const { subscribers, asking, behind } of this.all.values()) {
      subscribers.delete(subscriber);
      asking.delete(subscriber);
      behind.delete(subscriber);
    }
  }

  /** See `RequestContext.publish`. */
  publish(name: string, event: unknown, { onSlow = "drop" }: PublishOptions = {}): Published {
    const topic = this.all.get(name);
    if (topic === undefined) throw invalid(name, `service ${this.#server.service.name} has no such topic`);
    const content = this.#encoded(topic, event);
    const slow = this.#slowOf(topic);
    if (onSlow === "refuse" && slow.size > 0) return "refused";
    topic.published++;
    // Who reads slowly is looked at, even if nobody sends anything.
    this.#server.noteWork();
    topic.last = topic.last === lastPlace ? 1 : topic.last + 1;
    const published = new PublishedEvent(name, topic.last, content);
    let missed = 0;
    for (const subscriber of topic.subscribers) {
      const own = slow.has(subscriber) ? undefined : published.contentFor(subscriber.codec);
      if (own === undefined) {
        missed++;
        this.#miss(topic, subscriber);
      } else {
        topic.behind.delete(subscriber);
        subscriber.event(published, own);
      }
    }
    if (topic.subscribers.size === 0) return "nobody";
    return missed === 0 ? "sent" : missed < topic.subscribers.size ? "partly" : "refused";
  }

  /**
   * Those that have as much waiting as each may; and, where half of what all may have waits, those with more than an equal part of
   * that half: what all have stays within the whole, and who keeps up nearly misses nothing for the sake of those who do not.
   */
  #slowOf({ subscribers }: Topic): Set<Subscriber> {
    let bytes = 0;
    for (const { waitingBytes } of subscribers) bytes += waitingBytes;
    const half = this.#bytesMax / 2;
    const most = bytes < half ? Number.POSITIVE_INFINITY : half / subscribers.size;
    return new Set([...subscribers].filter(({ isSlow, waitingBytes }) => isSlow || waitingBytes > most));
  }

  #encoded(topic: Topic, event: unknown): EventContent {
    const { service, log } = this.#server;
    try {
      return new EventContent(checked(topic, event), service.codec, (error) => {
        if (topic.untold) return;
        topic.untold = true;
        const text = `topic ${topic.name}: JSON cannot hold its events; subscribers without codec ${service.codec?.name ?? ""} miss them`;
        log.warn({ topic: topic.name, problem: error.message }, text);
      });
    } catch (error) {
      throw invalid(topic.name, asError(error).message, error);
    }
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

function checked({ schema }: Topic, event: unknown): unknown {
  const valid = validate(schema, event, "event");
  if (!(valid instanceof Promise)) return valid;
  valid.catch(() => undefined);
  throw new TypeError("its schema checks asynchronously; events are published in order, so it must be synchronous");
}

function invalid(name: string, why: string, cause?: unknown): WherryError {
  return new WherryError(`topic ${name}: cannot publish: ${why}`, { code: "SERVICE_EVENT_INVALID", cause });
}
