// The way out of an `inproc` link: messages queued by reference, and handed over at the end of the tick, unless the other end
// is paused. Counts as a writer does.
import type { Message } from "../types.ts";
import type { EncodedMessage } from "../wire/encoded.ts";
import type { Flushable } from "./flusher.ts";
import type { Output } from "./link.ts";
import type { ConnectionOwner } from "./owner.ts";

export class InprocOutput implements Output, Flushable {
  queuedMessages = 0;
  queuedBytes = 0;
  messagesOut = 0;
  bytesOut = 0;
  readonly #owner: ConnectionOwner;
  /** @returns false when the other end takes nothing now. */
  readonly #deliver: (messages: Message[]) => boolean;
  readonly #onProgress: () => void;
  #queue: Message[] = [];
  #leading: readonly Uint8Array[] = [];
  #dirty = false;
  #stopped = false;

  constructor(owner: ConnectionOwner, deliver: (messages: Message[]) => boolean, onProgress: () => void) {
    this.#owner = owner;
    this.#deliver = deliver;
    this.#onProgress = onProgress;
  }

  room(): boolean {
    if (this.#hasRoom()) return true;
    this.flush();
    return this.#hasRoom();
  }

  #hasRoom(): boolean {
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
    if (this.#stopped || this.#queue.length === 0) return;
    const messages = this.#queue;
    this.#queue = [];
    const { queuedMessages, queuedBytes } = this;
    if (!this.#deliver(messages)) {
      // The other end's reader may have sent in reply by now: these were first.
      this.#queue = [...messages, ...this.#queue];
      return;
    }
    this.messagesOut += queuedMessages;
    this.bytesOut += queuedBytes;
    this.#less(queuedMessages, queuedBytes);
    this.#onProgress();
  }

  flushLater(): void {
    if (this.#dirty || this.#stopped) return;
    this.#dirty = true;
    this.#owner.flusher.add(this);
  }

  /** The link is gone. @returns how many messages were not handed over. */
  stop(): number {
    this.#stopped = true;
    const undelivered = this.queuedMessages;
    this.#queue = [];
    this.#owner.tally.less(this.queuedMessages, this.queuedBytes);
    return undelivered;
  }

  #less(messages: number, bytes: number): void {
    this.queuedMessages -= messages;
    this.queuedBytes -= bytes;
    this.#owner.tally.less(messages, bytes);
  }

  #push(message: Message): void {
    let bytes = 0;
    for (const frame of message) bytes += frame.length;
    this.#queue.push(message);
    this.queuedMessages++;
    this.queuedBytes += bytes;
    this.#owner.tally.messages++;
    this.#owner.tally.bytes += bytes;
    this.flushLater();
  }
}

/** What comes from a wire is a `Buffer`; here too. Not copied. */
function asBuffer(frame: string | Uint8Array): Buffer {
  if (typeof frame === "string") return Buffer.from(frame);
  return Buffer.isBuffer(frame) ? frame : Buffer.from(frame.buffer, frame.byteOffset, frame.length);
}
