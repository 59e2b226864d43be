// The events since the last compaction, and the watches that follow them. A watch holds no events of its own: it has a
// position in the shared history, so a slow reader costs nothing, and ends with `gone` when the history moves past it.
import { assert, WherryError } from "@wherry/core";
import { watchesMax } from "./limits.ts";
import { Topic } from "./topic.ts";
import type { Range, Revision, StoreEvent, WatchBatch } from "./types.ts";
import { Watch } from "./watch.ts";

export class History {
  #compactRevision: Revision;
  #revision: Revision;
  /** Dense: the event of revision r is at r - compactRevision - 1. */
  readonly #events: StoreEvent[] = [];
  #characters = 0;
  /** One per prefix that is watched. */
  readonly #topics = new Map<string, Topic>();
  #watches = 0;

  constructor(compactRevision: Revision) {
    this.#compactRevision = compactRevision;
    this.#revision = compactRevision;
  }

  get compactRevision(): Revision {
    return this.#compactRevision;
  }

  /** Of the newest event. */
  get revision(): Revision {
    return this.#revision;
  }

  get length(): number {
    return this.#events.length;
  }

  /** Characters of JSON that its events hold. */
  get characters(): number {
    return this.#characters;
  }

  append(event: StoreEvent): void {
    assert(event.revision === this.#revision + 1, `after ${this.#revision} comes no ${event.revision}`);
    this.#revision = event.revision;
    this.#events.push(event);
    this.#characters += event.entry.value.length;
    for (const topic of this.#topics.values()) topic.offer(event);
  }

  /** The `count` oldest events. */
  oldest(count: number): readonly StoreEvent[] {
    return this.#events.slice(0, count);
  }

  /** Forgets the `count` oldest events. Watches that still need one of them end with `gone`. */
  trim(count: number): void {
    for (const event of this.#events.splice(0, count)) {
      this.#compactRevision = event.revision;
      this.#characters -= event.entry.value.length;
    }
    for (const topic of this.#topics.values()) topic.trim(this.#compactRevision);
  }

  /** Lets every watch that waits take what is new. Called after a commit, not for each of its events. */
  wake(): void {
    for (const topic of this.#topics.values()) topic.wake();
  }

  requestProgress(): void {
    for (const topic of this.#topics.values()) topic.requestProgress(this.#revision);
  }

  /** @param after in [compactRevision, revision]. */
  watch(range: Range, after: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> {
    if (this.#watches >= watchesMax)
      throw new WherryError(`expected at most ${watchesMax} open watches: close some`, {
        code: "STORE_WATCHES_MAX",
        retryable: true,
      });
    const topic = this.#topic(range.prefix);
    this.#watches++;
    return new Watch(topic, topic.positionAfter(after), this, signal, () => this.#left(topic));
  }

  /** Ends all watches. */
  close(): void {
    for (const topic of [...this.#topics.values()]) topic.close();
  }

  #topic(prefix: string): Topic {
    let topic = this.#topics.get(prefix);
    if (topic === undefined) {
      topic = new Topic(prefix);
      for (const event of this.#events) topic.offer(event);
      this.#topics.set(prefix, topic);
    }
    return topic;
  }

  #left(topic: Topic): void {
    this.#watches--;
    if (topic.empty) this.#topics.delete(topic.prefix);
  }
}
