// Topics: what a service publishes events of, and what subscribers get. Types, and the schema for those who want none.
import type { Schema, SchemaInput, SchemaOutput } from "./schema.ts";

/** By name, the schema of each topic's events. It must be synchronous: events are published in order. */
export type Topics = Readonly<Record<string, Schema>>;

/** A schema that takes everything as an `Event`: types alone, for topics and methods that need no check at run time. */
export function unchecked<Event>(): Schema<Event> {
  return { "~standard": { version: 1, vendor: "wherry", validate: (value) => ({ value: value as Event }) } };
}

export interface PublishOptions {
  /**
   * What to do for a subscriber whose queue is full: `drop` it for that one, who is told that he missed it; or `refuse` it for
   * all, so that the publisher may wait and try again. Default `drop`.
   */
  readonly onSlow?: "drop" | "refuse";
}

/**
 * What became of an event: `sent` to all subscribers, `partly` to some, for others were too slow; `refused`, to none, for all were, or one
 * and the publisher said `refuse`; `nobody` is subscribed.
 */
export type Published = "sent" | "partly" | "refused" | "nobody";

/** Publishes an event of one of these topics; see `RequestContext.publish`. */
export type Publish<T extends Topics> = <Name extends keyof T & string>(
  topic: Name,
  event: SchemaInput<T[Name]>,
  options?: PublishOptions,
) => Published;

/** An event as a subscriber gets it. */
export interface TopicEvent<Event, Name extends string = string> {
  readonly topic: Name;
  readonly event: Event;
  /** Its place among its pod's events of this topic. */
  readonly sequence: number;
  /** How many of that pod's events of this topic were missed directly before it. */
  readonly missed: number;
  /** Which process published it; in a cluster the pod's UID. */
  readonly instance: string;
}

/** The events of some of the topics; `topic` tells them apart. */
export type EventsOf<T extends Topics, Name extends keyof T & string> = {
  [Each in Name]: TopicEvent<SchemaOutput<T[Each]>, Each>;
}[Name];

export interface SubscribeOptions {
  /** Ends the subscription; its loop throws CANCELLED. */
  readonly signal?: AbortSignal;
  /** Events that wait for the loop; beyond it, it misses some. Default 1000. */
  readonly bufferMax?: number;
  /** When events were missed: `tell` in the next one's `missed`, or `fail`: the loop throws MISSED. Default `tell`. */
  readonly onMissed?: "tell" | "fail";
}

/**
 * Events of every pod of the service, at most once each, until the loop is left or the client closed, which ends it:
 * `for await (const { topic, event } of …)`.
 */
export interface Subscription<Event> extends AsyncIterableIterator<Event, undefined>, AsyncDisposable {
  /** Each of its topics is subscribed to at one pod at least: what is published there from now on comes. Rejects if none is found in time. */
  readonly ready: Promise<void>;
  /** Events missed so far, those included that no later event has told. */
  readonly missed: number;
  next(): Promise<IteratorResult<Event, undefined>>;
  return(): Promise<IteratorResult<Event, undefined>>;
  [Symbol.asyncIterator](): Subscription<Event>;
}
