// Decides when output is written: once per tick and peer, after the tick's promises have run; what a long tick sends to one peer, the peer's
// writer begins to write before. Owns the output buffers that
// the peers of one socket share; it never looks into them.
import type { Clock } from "@wherry/core";
import { limits } from "../limits.ts";
import type { BusyPoll } from "./busy-poll.ts";

/** What has output to write. */
export interface Flushable {
  flush(): void;
}

export class Flusher {
  #dirty: Flushable[] = [];
  #scheduled = false;
  readonly #buffers: Buffer[] = [];
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #busyPoll: BusyPoll | undefined;

  constructor(clock: Pick<Clock, "monotonic">, busyPoll?: BusyPoll) {
    this.#clock = clock;
    this.#busyPoll = busyPoll;
  }

  /** By `Clock.monotonic`. */
  nowMs(): number {
    return this.#clock.monotonic();
  }

  /** `output` is flushed at the end of this tick. Call it once, when its output stops being empty. */
  add(output: Flushable): void {
    this.#dirty.push(output);
    if (this.#dirty.length >= limits.dirtyPeersMax) {
      this.#flushAll();
      return;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    // A microtask that asks for the next tick: Node first empties the microtask queue, so that what an async handler
    // sends after its awaits still goes into the same write. setImmediate would batch no better and adds latency.
    queueMicrotask(this.#askForTick);
  }

  /** A buffer of `limits.outputBufferBytes`, contents undefined. */
  acquire(): Buffer {
    return this.#buffers.pop() ?? Buffer.allocUnsafeSlow(limits.outputBufferBytes);
  }

  /** Gives a buffer back that nobody reads any more. */
  release(buffer: Buffer): void {
    if (this.#buffers.length < limits.outputBuffersKeptMax) this.#buffers.push(buffer);
  }

  readonly #askForTick = (): void => {
    process.nextTick(this.#onTick);
  };

  readonly #onTick = (): void => {
    this.#scheduled = false;
    this.#flushAll();
  };

  #flushAll(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    this.#busyPoll?.went();
    for (const output of dirty) output.flush();
  }
}
