// The way out of an `inproc` link: large frames by reference, messages handed over in the next turn of the event loop, unless the other end
// is paused. Counts as a writer does. Never hands over within `send`: the sender may be the other end's reader, in the midst of
// a batch.
import { limits } from "../limits.ts";
import type { Message } from "../types.ts";
import type { EncodedMessage } from "../wire/encoded.ts";
import { shared } from "../wire/recycled.ts";
import type { Output } from "./link.ts";
import type { ConnectionOwner } from "./owner.ts";

/** What the output needs of its link. */
export interface Receiver {
  /** Is there another end, and does it take messages now? */
  mayTake(): boolean;
  /** Gives the other end its messages. */
  take(messages: Message[]): void;
  /** Messages were handed over; there is room. */
  onProgress(): void;
}

export class InprocOutput implements Output {
  queuedMessages = 0;
  queuedBytes = 0;
  messagesOut = 0;
  bytesOut = 0;
  readonly #owner: ConnectionOwner;
  readonly #receiver: Receiver;
  #queue: Message[] = [];
  #leading: readonly Uint8Array[] = [];
  #dirty = false;
  #stopped = false;

  constructor(owner: ConnectionOwner, receiver: Receiver) {
    this.#owner = owner;
    this.#receiver = receiver;
  }

  room(): boolean {
    const { peerQueueMessagesMax, peerQueueBytesMax } = this.#owner.settings;
    return (
      this.queuedMessages < peerQueueMessagesMax && this.queuedBytes < peerQueueBytesMax && this.#owner.tally.room()
    );
  }

  single(body: string | Uint8Array): void {
    this.#push([asBuffer(body)]);
  }

  message(frames: readonly (string | Uint8Array)[], from: number): void {
    const body = frames.slice(from).map(asBuffer);
    this.#push(this.#leading.length > 0 ? [...this.#leading, ...body] : body);
    this.#leading = [];
  }

  leading(frames: readonly Uint8Array[]): void {
    this.#leading = frames;
  }

  encoded(message: EncodedMessage): void {
    this.message(message.frames, 0);
  }

  flush(): void {
    this.#dirty = false;
    if (this.#stopped || this.#queue.length === 0 || !this.#receiver.mayTake()) return;
    const messages = this.#queue;
    this.#queue = [];
    this.messagesOut += this.queuedMessages;
    this.bytesOut += this.queuedBytes;
    this.#less();
    // The other end's reader runs in here, and may do anything: send, close, pause.
    this.#receiver.take(messages);
    this.#receiver.onProgress();
  }

  flushLater(): void {
    if (this.#dirty || this.#stopped) return;
    this.#dirty = true;
    // Not in this turn of the event loop: two sockets that answer each other must not keep everybody else from theirs.
    setImmediate(() => this.flush());
  }

  /** The link is gone. @returns how many messages were not handed over. */
  stop(): number {
    this.#stopped = true;
    const undelivered = this.queuedMessages;
    this.#queue = [];
    this.#less();
    return undelivered;
  }

  #less(): void {
    const { queuedMessages, queuedBytes } = this;
    this.queuedMessages = 0;
    this.queuedBytes = 0;
    this.#owner.tally.less(queuedMessages, queuedBytes);
  }

  #push(message: Message): void {
    let bytes = 0;
    for (const frame of message) {
      bytes += frame.length;
      shared(frame);
    }
    this.#queue.push(message);
    this.queuedMessages++;
    this.queuedBytes += bytes;
    this.#owner.tally.messages++;
    this.#owner.tally.bytes += bytes;
    this.flushLater();
  }
}

/** What comes from a wire is a `Buffer`; here too. Copied where a wire's socket would have: a short one is its sender's again. */
function asBuffer(frame: string | Uint8Array): Buffer {
  if (typeof frame === "string") return Buffer.from(frame);
  if (frame.length <= limits.copyBytesMax) return Buffer.from(frame);
  return Buffer.isBuffer(frame) ? frame : Buffer.from(frame.buffer, frame.byteOffset, frame.length);
}
