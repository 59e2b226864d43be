// The writing half of a stream's flow control: what its reader still takes, and what all streams of a connection have under way.
// Counts only; it sends nothing and knows no message.
import { streamConnectionBytesMax } from "../limits.ts";

/** Bytes that all streams of one connection have under way in one direction. */
export class Outflow {
  #bytes = 0;
  readonly #bytesMax: number;
  readonly #waiting = new Set<SendWindow>();

  constructor(bytesMax: number = streamConnectionBytesMax) {
    this.#bytesMax = bytesMax;
  }

  get hasRoom(): boolean {
    return this.#bytes < this.#bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
    if (!this.hasRoom || this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const window of waiting) window.wake();
  }

  wakeWhenRoom(window: SendWindow): void {
    this.#waiting.add(window);
  }

  forget(window: SendWindow): void {
    this.#waiting.delete(window);
  }
}

/** What one writer may still send. */
export class SendWindow {
  #items = 0;
  #bytes = 0;
  /** Sent and not granted again: not consumed, as far as is known here. */
  #underWay = 0;
  #granted = false;
  #closed = false;
  #wake: (() => void) | undefined;
  #sent = 0;
  readonly #outflow: Outflow;

  constructor(outflow: Outflow) {
    this.#outflow = outflow;
  }

  /** Items sent. */
  get sent(): number {
    return this.#sent;
  }

  /** May an item be sent now? The last one may exceed the bytes, so that one larger than the window passes. */
  get isOpen(): boolean {
    return this.#items > 0 && this.#bytes > 0 && this.#outflow.hasRoom;
  }

  /** An item goes. @returns how many have, with it. */
  spend(bytes: number): number {
    this.#items--;
    this.#bytes -= bytes;
    this.#underWay += bytes;
    this.#outflow.add(bytes);
    return ++this.#sent;
  }

  grant(items: number, bytes: number): void {
    if (this.#closed) return;
    this.#items += items;
    this.#bytes += bytes;
    if (this.#granted) this.#consumed(bytes);
    // The first is the window itself: nothing was consumed.
    else this.#granted = items > 0;
    this.wake();
  }

  #consumed(bytes: number): void {
    const released = Math.min(bytes, this.#underWay);
    this.#underWay -= released;
    this.#outflow.release(released);
  }

  /** Resolves when it is open or closed. One waits at a time: the stream's own loop. */
  opens(): Promise<void> {
    if (this.isOpen || this.#closed) return Promise.resolve();
    if (this.#items > 0 && this.#bytes > 0) this.#outflow.wakeWhenRoom(this);
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** Something changed. */
  wake(): void {
    if (this.#wake === undefined) return;
    if (!this.isOpen && !this.#closed) {
      if (this.#items > 0 && this.#bytes > 0) this.#outflow.wakeWhenRoom(this);
      return;
    }
    const wake = this.#wake;
    this.#wake = undefined;
    wake();
  }

  /** Nothing more is sent; whoever waits goes on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outflow.forget(this);
    this.#consumed(this.#underWay);
    this.wake();
  }
}
