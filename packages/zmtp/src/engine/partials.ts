// What the peers of one socket hold together in frames and messages that are not complete: the budget for it, and who has to
// go when it does not suffice. Holds no bytes itself.
import type { Problem } from "../wire/problem.ts";

export interface Holder {
  drop(end: Problem): void;
}

export class Partials {
  readonly #bytesMax: number;
  /** Bytes by holder; who made progress last comes last. */
  readonly #held = new Map<Holder, number>();
  #newest: Holder | undefined;
  #bytes = 0;

  /** @param bytesMax at least what a single message may take, so that whoever asks fits once all others have gone. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** All peers together. Never above the budget. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * `holder` made progress, and holds `bytes` from now on. Where that is too much, those whose messages have been without
   * progress the longest are dropped, never `holder`: a peer that sends is served, one that has stalled makes room.
   */
  hold(holder: Holder, bytes: number): void {
    const before = this.#held.get(holder) ?? 0;
    if (bytes === 0) {
      if (before > 0) this.forget(holder);
      return;
    }
    if (this.#newest !== holder) {
      this.#held.delete(holder);
      this.#newest = holder;
    }
    this.#bytes -= before;
    this.#held.set(holder, 0);
    while (this.#bytes + bytes > this.#bytesMax && this.#held.size > 1) this.#dropOldest();
    this.#bytes += bytes;
    this.#held.set(holder, bytes);
  }

  /** It holds nothing any more: its message is complete, or it has gone. */
  forget(holder: Holder): void {
    this.#bytes -= this.#held.get(holder) ?? 0;
    this.#held.delete(holder);
    if (this.#newest === holder) this.#newest = undefined;
  }

  #dropOldest(): void {
    for (const [oldest, bytes] of this.#held) {
      this.forget(oldest);
      const detail = `half a message of ${bytes} bytes made no progress for the longest, and all peers hold ${this.#bytesMax}`;
      oldest.drop({ reason: "message-stalled", detail });
      return;
    }
  }
}
