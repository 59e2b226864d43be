// The topics that a client is subscribed to, at every pod: it asks whoever has not been asked yet whenever something changes, and hands
// each event to the loops that want it. What a loop is too slow for is counted and told, never silent.
import { BoundedQueue, type Clock, type Timer } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { eventBufferMaxDefault } from "../limits.ts";
import type { SubscribeOptions, Subscription, TopicEvent } from "../topic.ts";
import type { EventSink } from "./channels.ts";
import type { Endpoint } from "./endpoint.ts";
import { closedError } from "./failures.ts";

export interface SubscriptionsOptions {
  readonly service: string;
  /** Milliseconds until a first pod must have been found that has the topics. */
  readonly deadlineMs: number;
  readonly clock: Clock;
  /** All that are connected or will be. */
  readonly endpoints: () => Iterable<Endpoint>;
  readonly situation: () => string;
}

type AnyEvent = TopicEvent<unknown>;
type Result = IteratorResult<AnyEvent, undefined>;
const done = { done: true, value: undefined } as const;

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #loops: Set<Loop> = new Set();
  /** Topics of which some pod has told its position. */
  readonly #known = new Set<string>();
  #closed = false;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** See `ClientBase.subscribe`. */
  subscribe(topics: readonly string[], options: SubscribeOptions = {}): Subscription<AnyEvent> {
    const { clock, deadlineMs } = this.#options;
    const loop = new Loop(topics, options, (ended) => this.#leave(ended));
    this.#loops.add(loop);
    if (this.#closed) loop.end(closedError());
    loop.start(clock.timer(deadlineMs, () => loop.end(this.#nowhere(loop))));
    // Pods that are subscribed to already by another loop won't say so again.
    for (const topic of topics) if (this.#known.has(topic)) loop.subscribed(topic);
    this.changed();
    return loop;
  }

  /** Something changed: whoever has not been asked is. */
  changed(): void {
    if (this.#loops.size === 0) return;
    const topics = this.#topics();
    for (const { state, channels } of this.#options.endpoints())
      if (state === "open" || state === "leaving") channels.subscribe(topics, this.#sink);
  }

  /** Loops end as if they were left: who closed knows, and events have no last one that would be lacking. */
  close(): void {
    this.#closed = true;
    for (const loop of [...this.#loops]) loop.end();
  }

  #topics(): Set<string> {
    return new Set([...this.#loops].flatMap(({ topics }) => topics));
  }

  readonly #sink: EventSink = {
    event: ({ topic, value, sequence, missed, instance }) => {
      for (const loop of this.#of(topic)) loop.push({ topic, event: value, sequence, missed, instance });
    },
    missed: (topic, missed, instance) => {
      for (const loop of this.#of(topic)) loop.miss(topic, instance, missed);
    },
    subscribed: (topic) => {
      this.#known.add(topic);
      for (const loop of this.#of(topic)) loop.subscribed(topic);
    },
    // Another pod may have it, or have room: only a no is one everywhere.
    refused: (topic, error) => {
      if (error.code !== "FORBIDDEN" && error.code !== "UNAUTHORIZED") return;
      for (const loop of this.#of(topic)) loop.end(error);
    },
  };

  #of(topic: string): Loop[] {
    return [...this.#loops].filter(({ topics }) => topics.includes(topic));
  }

  #leave(loop: Loop): void {
    this.#loops.delete(loop);
    const wanted = this.#topics();
    for (const topic of loop.topics) {
      if (wanted.has(topic)) continue;
      this.#known.delete(topic);
      for (const { channels } of this.#options.endpoints()) channels.unsubscribe(topic);
    }
  }

  /** Until the deadline no pod had its topics. Later, pods may come and go: that is no error. */
  #nowhere(loop: Loop): ServiceError {
    const { service, situation, deadlineMs } = this.#options;
    const open = [...this.#options.endpoints()].filter(({ state }) => state === "open");
    const offered = new Set(open.flatMap(({ channels }) => [...channels.topics]));
    const unknown = loop.topics.filter((topic) => !offered.has(topic));
    if (open.length > 0 && unknown.length > 0) {
      const has = offered.size === 0 ? "none" : [...offered].slice(0, 20).join(", ");
      const wanted = unknown.map((topic) => JSON.stringify(topic)).join(", ");
      return new ServiceError("NOT_FOUND", `no pod of ${service} has the topic ${wanted}; they have ${has}`);
    }
    const message = `no pod of ${service} took the subscription within ${deadlineMs} ms; ${situation()}`;
    return new ServiceError("UNAVAILABLE", message, { retryable: true, fate: "not-started" });
  }
}

/** One caller's loop over events. */
class Loop implements Subscription<AnyEvent> {
  readonly topics: readonly string[];
  readonly ready: Promise<void>;
  #missed = 0;
  readonly #left: (loop: Loop) => void;
  readonly #queue: BoundedQueue<AnyEvent>;
  readonly #failing: boolean;
  /** Misses that the next event of that pod and topic tells. */
  readonly #untold: Map<string, number> = new Map();
  readonly #awaited: Set<string>;
  readonly #readers: PromiseWithResolvers<Result>[] = [];
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #signal: AbortSignal | undefined;
  #ended: { error: unknown } | undefined;
  #timer: Timer | undefined;

  constructor(topics: readonly string[], options: SubscribeOptions, left: (loop: Loop) => void) {
    const { bufferMax = eventBufferMaxDefault, onMissed = "tell", signal } = options;
    this.topics = topics;
    this.#awaited = new Set(topics);
    this.#left = left;
    this.#queue = new BoundedQueue(bufferMax);
    this.#failing = onMissed === "fail";
    this.#signal = signal;
    this.ready = this.#ready.promise;
    // Who loops learns of the end there.
    this.ready.catch(() => undefined);
  }

  /** @param timer ends it unless a pod is found before. */
  start(timer: Timer): void {
    this.#timer = timer;
    if (this.#ended !== undefined) timer.cancel();
    else if (this.#signal?.aborted === true) this.#cancelled();
    else this.#signal?.addEventListener("abort", this.#cancelled, { once: true });
  }

  get missed(): number {
    return this.#missed;
  }

  subscribed(topic: string): void {
    this.#awaited.delete(topic);
    if (this.#awaited.size > 0) return;
    this.#timer?.cancel();
    this.#ready.resolve();
  }

  push(event: AnyEvent): void {
    if (this.#ended !== undefined) return;
    const { topic, instance } = event;
    if (event.missed > 0) this.miss(topic, instance, event.missed);
    const reader = this.#readers.shift();
    if (reader === undefined && this.#queue.size === this.#queue.capacity) {
      this.miss(topic, instance, 1);
      return;
    }
    const key = `${topic} ${instance}`;
    const told = { ...event, missed: this.#untold.get(key) ?? 0 };
    this.#untold.delete(key);
    if (reader === undefined) this.#queue.push(told);
    else reader.resolve({ done: false, value: told });
  }

  miss(topic: string, instance: string, count: number): void {
    if (this.#ended !== undefined) return;
    this.#missed += count;
    const key = `${topic} ${instance}`;
    this.#untold.set(key, (this.#untold.get(key) ?? 0) + count);
    if (!this.#failing) return;
    const message = `${count} events of topic ${topic} were missed: the subscriber was too slow, or its connection broke`;
    this.end(new ServiceError("MISSED", message, { details: { topic, instance, missed: count } }));
  }

  readonly #cancelled = (): void => {
    const cause = this.#signal?.reason as unknown;
    this.end(new ServiceError("CANCELLED", "the caller cancelled the subscription", { cause }));
  };

  /** Its reader gets what is here, and then the error, or the end. */
  end(error?: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = { error };
    this.#timer?.cancel();
    this.#signal?.removeEventListener("abort", this.#cancelled);
    this.#left(this);
    this.#ready.reject(error ?? closedError());
    for (const reader of this.#readers.splice(0)) this.#finish(reader);
  }

  #finish(reader: Pick<PromiseWithResolvers<Result>, "resolve" | "reject">): void {
    const error = this.#ended?.error;
    this.#ended = { error: undefined };
    if (error === undefined) reader.resolve(done);
    else reader.reject(error);
  }

  next(): Promise<Result> {
    const oldest = this.#queue.shift();
    if (oldest !== undefined) return Promise.resolve({ done: false, value: oldest });
    const reader = Promise.withResolvers<Result>();
    if (this.#ended === undefined) this.#readers.push(reader);
    else this.#finish(reader);
    return reader.promise;
  }

  return(): Promise<Result> {
    this.end();
    this.#queue.drain();
    this.#ended = { error: undefined };
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
