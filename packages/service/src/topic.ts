// Topics: what a service publishes events of. Types, and the schema for those who want none.
import type { Schema } from "./schema.ts";

/** By name, the schema of each topic's events. */
export type Topics = Readonly<Record<string, Schema>>;

export type EventOf<S> = S extends Schema<infer Event> ? Event : never;

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
