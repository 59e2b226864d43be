// A broker's consumers in this process, whose server may be away: each is started again and again until it is there, started anew
// when it broke, and ended with the broker. Knows no broker.
import { endConsumers } from "./grace.ts";
import type { Presence } from "./presence.ts";
import type { BrokerConsumer, BrokerOptions } from "./types.ts";

interface Consumer extends BrokerConsumer {
  /** Deliveries handed out and not settled. */
  readonly outstanding: number;
  /** What is still out goes elsewhere. */
  end(): Promise<unknown>;
  /** Resolves when it broke, and another must take its place; absent: it mends itself. */
  readonly ended?: Promise<void>;
}

export class Consumers<C extends Consumer> implements Iterable<C> {
  readonly #options: BrokerOptions;
  readonly #presence: Presence;
  readonly #all: Set<C> = new Set();
  readonly #stop: AbortController = new AbortController();
  #closed = false;

  constructor(options: BrokerOptions, presence: Presence) {
    this.#options = options;
    this.#presence = presence;
  }

  [Symbol.iterator](): Iterator<C> {
    return this.#all.values();
  }

  /** @param start makes one that consumes; what it rejects with is logged, once, and tried again. */
  add(start: () => Promise<C>): BrokerConsumer {
    const own = new AbortController();
    const signal = AbortSignal.any([own.signal, this.#stop.signal]);
    const running = this.#keep(start, signal);
    const stop = async (): Promise<void> => {
      own.abort();
      await running;
    };
    return { stop };
  }

  async #keep(start: () => Promise<C>, signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    const stopped = (): boolean => signal.aborted;
    while (!stopped()) {
      const consumer = await this.#presence.untilThere(start, signal);
      if (consumer === undefined) return;
      this.#all.add(consumer);
      const { ended = new Promise<void>(() => undefined) } = consumer;
      void ended.then(() => this.#all.delete(consumer));
      await Promise.race([ended, aborted]);
      if (stopped()) await (this.#closed ? consumer.end() : consumer.stop());
    }
  }

  /** What is out may be settled for so long. */
  async close(graceMs: number): Promise<void> {
    this.#stop.abort();
    await endConsumers(this.#all, graceMs, this.#options.clock);
    // One that was being started meanwhile ends by itself.
    this.#closed = true;
  }
}
