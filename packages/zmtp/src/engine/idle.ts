// Drops a peer with whom no message was exchanged for a time, either way. Heartbeats do not count: they prove that the peer lives, not that it
// is of use. It looks at counters only.
import type { Clock, Timer } from "@wherry/core";
import type { Problem } from "../wire/problem.ts";

export interface IdlePeer {
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Reading is paused here: the peer may well have something to say. */
  readonly paused: boolean;
  readonly queuedMessages: number;
  leave(end: Problem, lingerMs: number): void;
}

export class Idle {
  readonly #peer: IdlePeer;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #timer: Timer | undefined;
  #messages = 0;
  #activeAtMs = 0;

  /** @param timeoutMs above 0. Looked at four times in it, so that a peer is dropped up to a quarter late. */
  constructor(peer: IdlePeer, clock: Clock, timeoutMs: number) {
    this.#peer = peer;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  start(): void {
    this.#activeAtMs = this.#clock.monotonic();
    this.#again();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #again(): void {
    this.#timer = this.#clock.timer(Math.max(1, this.#timeoutMs / 4), this.#onTimer);
  }

  readonly #onTimer = (): void => {
    const { messagesIn, messagesOut, paused, queuedMessages } = this.#peer;
    const messages = messagesIn + messagesOut;
    const nowMs = this.#clock.monotonic();
    if (messages !== this.#messages || paused || queuedMessages > 0) {
      this.#messages = messages;
      this.#activeAtMs = nowMs;
    }
    if (nowMs - this.#activeAtMs < this.#timeoutMs) this.#again();
    else this.#peer.leave({ reason: "idle-timeout", detail: `no message for ${this.#timeoutMs} ms` }, this.#timeoutMs);
  };
}
