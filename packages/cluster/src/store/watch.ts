// One watch: a position in its topic, moved by the reader's pulls. It ends by `gone`, by its signal, by the reader leaving the
// loop, or with the store. Never skips: what it can't deliver ends it.
import { assert } from "@wherry/core";
import type { Follower, Position, Topic } from "./topic.ts";
import type { Revision, WatchBatch } from "./types.ts";

type Step = IteratorResult<WatchBatch, undefined>;

const finished: Step = { done: true, value: undefined };

/** The store's revisions, as they move. */
interface Revisions {
  readonly compactRevision: Revision;
  readonly revision: Revision;
}

export class Watch implements Follower, AsyncIterableIterator<WatchBatch> {
  readonly #topic: Topic;
  readonly #revisions: Revisions;
  readonly #signal: AbortSignal;
  readonly #onEnd: () => void;
  readonly #abort = (): void => this.end();
  #position: Position;
  #progress: Revision | undefined;
  #ended = false;
  #waiting: ((step: Step) => void) | undefined;

  constructor(topic: Topic, position: Position, revisions: Revisions, signal: AbortSignal, onEnd: () => void) {
    this.#topic = topic;
    this.#position = position;
    this.#revisions = revisions;
    this.#signal = signal;
    this.#onEnd = onEnd;
    topic.join(this);
    if (signal.aborted) this.end();
    else signal.addEventListener("abort", this.#abort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    assert(this.#waiting === undefined, "a watch has one reader, who asks for the next batch when it has the last");
    const step = this.#step();
    if (step !== undefined) return Promise.resolve(step);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return(): Promise<Step> {
    this.end();
    return Promise.resolve(finished);
  }

  wake(): void {
    if (this.#waiting === undefined) return;
    const step = this.#step();
    if (step !== undefined) this.#answer(step);
  }

  requestProgress(revision: Revision): void {
    this.#progress = revision;
    this.wake();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal.removeEventListener("abort", this.#abort);
    this.#topic.leave(this);
    this.#onEnd();
    this.#answer(finished);
  }

  #answer(step: Step): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(step);
  }

  /** What there is now; undefined: nothing yet. */
  #step(): Step | undefined {
    if (this.#ended) return finished;
    const topic = this.#topic;
    if (this.#position < topic.first) {
      this.end();
      return { done: false, value: { type: "gone", compactRevision: this.#revisions.compactRevision } };
    }
    const current = this.#position === topic.end;
    // Everything before the next event of this range is delivered, or nothing of this range.
    const complete = current ? this.#revisions.revision : topic.at(this.#position).revision - 1;
    if (this.#progress !== undefined && complete >= this.#progress) {
      this.#progress = undefined;
      return { done: false, value: { type: "progress", revision: complete } };
    }
    if (current) return undefined;
    const { to, batch } = topic.take(this.#position);
    this.#position = to;
    return { done: false, value: batch };
  }
}
