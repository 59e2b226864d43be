// Keeps the event loop from sleeping for a short while after traffic (the socket option `busyPollUs`), so that the next message does not wait until the kernel
// has woken the process up. Reads nothing and holds nobody up: each turn of the loop goes its usual way, only without the sleep.
// It rests where polling does not pay: when nothing came while it polled, or when others wanted the processor meanwhile, be it the very peer that is
// waited for.
import type { Clock } from "@wherry/core";
import { limits } from "../limits.ts";

/** What one socket has to tell. */
export class BusyPoll {
  readonly #poller: Poller;
  readonly #durationMs: number;

  constructor(poller: Poller, durationUs: number) {
    this.#poller = poller;
    this.#durationMs = durationUs / 1_000;
  }

  /** Bytes came from a peer. */
  came(): void {
    this.#poller.came(this.#durationMs);
  }

  /** Something goes out, and may be answered. */
  went(): void {
    this.#poller.went(this.#durationMs);
  }
}

/** What all sockets of an event loop share. */
export class Poller {
  readonly #clock: Clock;
  /** The turn to come: a pending immediate is what makes the loop look for input without waiting for it. */
  #turn: NodeJS.Immediate | undefined;
  #untilMs = 0;
  /** How much longer, because of traffic since the last turn. */
  #moreMs = 0;
  #lastTurnMs = 0;
  /** Has something come since the last turn? */
  #found = false;
  #restMs = 0;
  #restUntilMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get polling(): boolean {
    return this.#turn !== undefined;
  }

  came(durationMs: number): void {
    if (this.#turn !== undefined && !this.#found) {
      this.#found = true;
      const nowMs = this.#clock.monotonic();
      if (nowMs - this.#lastTurnMs > limits.busyPollHeldUpMs) {
        clearImmediate(this.#turn);
        this.#rest(nowMs);
        return;
      }
      this.#restMs = 0;
    }
    this.went(durationMs);
  }

  went(durationMs: number): void {
    this.#moreMs = Math.max(this.#moreMs, durationMs);
    if (this.#turn !== undefined) return;
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#restUntilMs) return;
    // The turn that begins now is at work already: how long it takes tells nothing.
    this.#found = true;
    this.#turn = setImmediate(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    const nowMs = this.#clock.monotonic();
    this.#lastTurnMs = nowMs;
    this.#found = false;
    this.#untilMs = Math.max(this.#untilMs, nowMs + this.#moreMs);
    this.#moreMs = 0;
    if (nowMs < this.#untilMs) this.#turn = setImmediate(this.#onTurn);
    else this.#rest(nowMs);
  };

  #rest(nowMs: number): void {
    this.#turn = undefined;
    this.#moreMs = 0;
    this.#restMs = Math.min(limits.busyPollRestMsMax, Math.max(limits.busyPollRestMsFirst, this.#restMs * 2));
    this.#restUntilMs = nowMs + this.#restMs;
  }
}

/** One for each clock, which is one for each thread but in tests. */
const pollers = new WeakMap<Clock, Poller>();

/** @returns undefined for a duration of 0: off. */
export function busyPollOf(clock: Clock, durationUs: number): BusyPoll | undefined {
  if (durationUs === 0) return undefined;
  let poller = pollers.get(clock);
  if (poller === undefined) pollers.set(clock, (poller = new Poller(clock)));
  return new BusyPoll(poller, durationUs);
}
