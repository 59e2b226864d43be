// The events of one watched prefix, shared by all its watches: each event is matched once, however many watch it.
import { watchBatchEventsMax } from "./limits.ts";
import type { Revision, StoreEvent, WatchBatch } from "./types.ts";

/** Counts the topic's events from its beginning, compacted ones included. */
export type Position = number;

/** What a topic tells its watches. */
export interface Follower {
  /** There is something to take. */
  wake(): void;
  /** Everything up to this revision is to be confirmed by a `progress` batch. */
  requestProgress(revision: Revision): void;
  end(): void;
}

interface Slice {
  readonly from: Position;
  readonly to: Position;
  readonly batch: WatchBatch;
}

export class Topic {
  readonly prefix: string;
  readonly #events: StoreEvent[] = [];
  /** The position of `#events[0]`. */
  #first: Position = 0;
  /** Events came since the last `wake`. */
  #fresh = false;
  readonly #followers = new Set<Follower>();
  /** The batch that was cut last. Watches that are up to date all take the same one. */
  #last: Slice | undefined;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  get empty(): boolean {
    return this.#followers.size === 0;
  }

  /** The position of the oldest event that is still here. */
  get first(): Position {
    return this.#first;
  }

  /** The position behind the newest event. */
  get end(): Position {
    return this.#first + this.#events.length;
  }

  join(follower: Follower): void {
    this.#followers.add(follower);
  }

  leave(follower: Follower): void {
    this.#followers.delete(follower);
  }

  /** Keeps the event if it is of this topic. */
  offer(event: StoreEvent): void {
    if (!event.entry.key.startsWith(this.prefix)) return;
    this.#events.push(event);
    this.#fresh = true;
  }

  /** The position of the first event after `revision`, which must not be compacted. */
  positionAfter(revision: Revision): Position {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle] as StoreEvent).revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#first + low;
  }

  /** The event at a position in [first, end). */
  at(position: Position): StoreEvent {
    return this.#events[position - this.#first] as StoreEvent;
  }

  /** The batch from a position in [first, end) on, and the position behind it. */
  take(from: Position): { readonly to: Position; readonly batch: WatchBatch } {
    const to = Math.min(this.end, from + watchBatchEventsMax);
    if (this.#last?.from === from && this.#last.to === to) return this.#last;
    const events = this.#events.slice(from - this.#first, to - this.#first);
    this.#last = { from, to, batch: { type: "events", events } };
    return this.#last;
  }

  /** Forgets the events at or before `through`. */
  trim(through: Revision): void {
    const count = this.positionAfter(through) - this.#first;
    if (count === 0) return;
    this.#events.splice(0, count);
    this.#first += count;
    this.#last = undefined;
  }

  wake(): void {
    if (!this.#fresh) return;
    this.#fresh = false;
    for (const follower of [...this.#followers]) follower.wake();
  }

  requestProgress(revision: Revision): void {
    for (const follower of [...this.#followers]) follower.requestProgress(revision);
  }

  close(): void {
    for (const follower of [...this.#followers]) follower.end();
  }
}
