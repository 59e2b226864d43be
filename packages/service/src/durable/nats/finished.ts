// The messages of a queue that this process has finished lately: should the server have them again, it knows that they are done. By
// sequence and time, since a server that lost the end of its stream gives sequences away twice.
import { natsFinishedMax } from "../../limits.ts";

export class Finished {
  /** When each was stored, by sequence; the oldest first. */
  readonly #storedMs: Map<number, number> = new Map();

  add(seq: number, storedMs: number): void {
    this.#storedMs.delete(seq);
    this.#storedMs.set(seq, storedMs);
    if (this.#storedMs.size <= natsFinishedMax) return;
    const [oldest] = this.#storedMs.keys();
    if (oldest !== undefined) this.#storedMs.delete(oldest);
  }

  has(seq: number, storedMs: number): boolean {
    return this.#storedMs.get(seq) === storedMs;
  }
}
