// The calls that no endpoint has room for: one line, first in, first out; and one for each endpoint of those that may only go
// there, so that they hold up nobody else. Bounded together. It sends nothing itself; `place` does.
import { BoundedQueue, type Clock, type Timer } from "@wherry/core";
import { waitingCallsMax } from "../limits.ts";
import { type Call, isPinned } from "./call.ts";
import type { Endpoint } from "./endpoint.ts";

/** Where a call is now: gone (sent, or failed), waiting for any endpoint, or waiting for that one. */
export type Placement = "gone" | "waits" | Endpoint;

export interface LineOptions {
  readonly clock: Clock;
  /** Sends the call if it can be sent now. */
  readonly place: (call: Call, nowMs: number) => Placement;
  /** Its answer would not come in time: it is not sent any more. */
  readonly isTooLate: (call: Call, nowMs: number) => boolean;
  /** When an endpoint gets room by time alone; Infinity if none does. */
  readonly soonestRoomMs: (nowMs: number) => number;
}

export class Line {
  readonly #options: LineOptions;
  readonly #calls: BoundedQueue<Call> = new BoundedQueue(waitingCallsMax);
  readonly #pinned: Map<Endpoint, BoundedQueue<Call>> = new Map();
  #pinnedCount = 0;
  #wakeTimer: Timer | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Calls that wait; those settled meanwhile count until their turn comes. */
  get size(): number {
    return this.#calls.size + this.#pinnedCount;
  }

  /** Sends the call, or lets it wait; calls that wait already go first. @returns false when there are too many. */
  join(call: Call, nowMs: number): boolean {
    const placement = this.#calls.size > 0 && !isPinned(call) ? "waits" : this.#options.place(call, nowMs);
    return placement === "gone" || this.#wait(call, placement);
  }

  /** Places what can be placed now. */
  pump(): void {
    if (this.#pinnedCount > 0) for (const [endpoint, calls] of this.#pinned) this.#pumpPinned(endpoint, calls);
    for (let call = this.#calls.peek(); call !== undefined; call = this.#calls.peek()) {
      const nowMs = this.#options.clock.monotonic();
      const placement = this.#isOver(call, nowMs) ? "gone" : this.#options.place(call, nowMs);
      if (placement === "waits") {
        this.#wakeWhenRoom();
        return;
      }
      this.#calls.shift();
      if (placement !== "gone") this.#wait(call, placement);
    }
  }

  /** An answer made room at this endpoint. */
  pumpAt(endpoint: Endpoint): void {
    const calls = this.#pinnedCount === 0 ? undefined : this.#pinned.get(endpoint);
    if (calls !== undefined) this.#pumpPinned(endpoint, calls);
    if (this.#calls.size > 0) this.pump();
  }

  /** Everyone who waits; nobody does then. */
  drain(): Call[] {
    const calls = [...this.#calls.drain(), ...[...this.#pinned.values()].flatMap((pinned) => pinned.drain())];
    this.#pinned.clear();
    this.#pinnedCount = 0;
    return calls;
  }

  stop(): void {
    this.#wakeTimer?.cancel();
  }

  #wait(call: Call, placement: "waits" | Endpoint): boolean {
    if (this.size >= waitingCallsMax) return false;
    // Here it may not be choosy: those behind it would wait for what it avoids.
    call.avoid = undefined;
    if (placement === "waits") this.#calls.push(call);
    else {
      const calls = this.#pinned.get(placement) ?? new BoundedQueue<Call>(waitingCallsMax);
      this.#pinned.set(placement, calls);
      calls.push(call);
      this.#pinnedCount++;
    }
    this.#wakeWhenRoom();
    return true;
  }

  #isOver(call: Call, nowMs: number): boolean {
    return call.settled || this.#options.isTooLate(call, nowMs);
  }

  #pumpPinned(endpoint: Endpoint, calls: BoundedQueue<Call>): void {
    for (let call = calls.peek(); call !== undefined; call = calls.peek()) {
      const nowMs = this.#options.clock.monotonic();
      const placement = this.#isOver(call, nowMs) ? "gone" : this.#options.place(call, nowMs);
      if (placement === endpoint) {
        this.#wakeWhenRoom();
        return;
      }
      calls.shift();
      this.#pinnedCount--;
      // The endpoint is gone, or another one owns the key now.
      if (placement !== "gone") this.#wait(call, placement);
    }
    this.#pinned.delete(endpoint);
  }

  /** An endpoint gets room again by time alone after BUSY and the like: nothing else would wake the calls that wait for it. */
  #wakeWhenRoom(): void {
    if (this.#wakeTimer !== undefined) return;
    const nowMs = this.#options.clock.monotonic();
    const soonestMs = this.#options.soonestRoomMs(nowMs);
    if (soonestMs === Infinity) return;
    this.#wakeTimer = this.#options.clock.timer(Math.max(0, Math.ceil(soonestMs - nowMs)), () => {
      this.#wakeTimer = undefined;
      this.pump();
    });
  }
}
