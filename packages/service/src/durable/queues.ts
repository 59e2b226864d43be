// What is in the queues of a service's durable methods, as its pods tell whoever asks: `wherry describe`, the dashboard. Many may ask
// many pods at once, and a broker counts at a price, so a look is kept for a while, and one that is away is not waited for.
import type { Clock } from "@wherry/core";
import { queuesAnswerMs, queuesFreshMs } from "../limits.ts";
import type { Broker, Depth } from "./types.ts";

/** What `$queues` answers: the depth of each durable method's queue; null while its broker doesn't tell. */
export type QueuesDescription = Readonly<Record<string, Depth | null>>;

export class Queues {
  readonly #clock: Clock;
  /** Queues by method. */
  readonly #names: ReadonlyMap<string, string>;
  readonly #broker: () => Promise<Broker>;
  #last: { readonly atMs: number; readonly depths: Promise<QueuesDescription> } | undefined;

  constructor(names: ReadonlyMap<string, string>, broker: () => Promise<Broker>, clock: Clock) {
    this.#names = names;
    this.#broker = broker;
    this.#clock = clock;
  }

  /** Never rejects. */
  look(): Promise<QueuesDescription> {
    const nowMs = this.#clock.monotonic();
    if (this.#last === undefined || nowMs - this.#last.atMs > queuesFreshMs)
      this.#last = { atMs: nowMs, depths: this.#ask() };
    return this.#last.depths;
  }

  async #ask(): Promise<QueuesDescription> {
    const depths = [...this.#names].map(async ([method, queue]) => [method, await this.#depth(queue)] as const);
    return Object.fromEntries(await Promise.all(depths));
  }

  async #depth(queue: string): Promise<Depth | null> {
    const answered = new AbortController();
    const asked = this.#broker().then((broker) => broker.depth(queue));
    const depth = asked.catch(() => null).finally(() => answered.abort());
    const late = this.#clock.sleep(queuesAnswerMs, answered.signal).catch(() => undefined);
    return Promise.race([depth, late.then(() => (answered.signal.aborted ? depth : null))]);
  }
}
