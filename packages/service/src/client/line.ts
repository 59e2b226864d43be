// The line of calls that no endpoint has room for: first in, first out, bounded. It sends nothing itself; `place` does.
import { BoundedQueue, type Clock, type Timer } from "@wherry/core";
import { waitingCallsMax } from "../limits.ts";
import type { Call } from "./call.ts";

export interface LineOptions {
  readonly clock: Clock;
  /** Sends the call; false when nobody has room. */
  readonly place: (call: Call) => boolean;
  /** When an endpoint gets room by time alone; Infinity if none does. */
  readonly soonestRoomMs: (nowMs: number) => number;
}

export class Line {
  readonly #options: LineOptions;
  readonly #calls: BoundedQueue<Call> = new BoundedQueue(waitingCallsMax);
  #wakeTimer: Timer | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#calls.size === 0;
  }

  /** @returns false when it is full. */
  join(call: Call): boolean {
    // Here it may not be choosy: those behind it would wait for what it avoids.
    call.avoid = undefined;
    if (!this.#calls.push(call)) return false;
    this.#wakeWhenRoom();
    return true;
  }

  /** Places what can be placed now. */
  pump(): void {
    for (let call = this.#calls.peek(); call !== undefined; call = this.#calls.peek()) {
      if (!call.settled && !this.#options.place(call)) {
        this.#wakeWhenRoom();
        return;
      }
      this.#calls.shift();
    }
  }

  /** Everyone who waits; the line is empty then. */
  drain(): Call[] {
    return this.#calls.drain();
  }

  stop(): void {
    this.#wakeTimer?.cancel();
  }

  /** An endpoint that said BUSY gets room again by time alone: nothing else would wake the calls that wait for it. */
  #wakeWhenRoom(): void {
    if (this.#wakeTimer !== undefined) return;
    const nowMs = this.#options.clock.monotonic();
    const soonestMs = this.#options.soonestRoomMs(nowMs);
    if (soonestMs === Infinity) return;
    this.#wakeTimer = this.#options.clock.timer(Math.ceil(soonestMs - nowMs), () => {
      this.#wakeTimer = undefined;
      this.pump();
    });
  }
}
