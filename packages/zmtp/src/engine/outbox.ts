// What is queued to one peer: frames are encoded into pooled buffers, large bodies stay where they lie, and all of it is counted until
// the kernel has taken it. Never writes; `writer.ts` takes from here.
import { limits } from "../limits.ts";
import type { FrameSeal } from "../mechanism/mechanism.ts";
import { longHeaderBytes, shortBodyBytesMax, writeFrameHeader } from "../wire/frame.ts";
import { writing, written } from "../wire/recycled.ts";
import type { Flusher } from "./flusher.ts";
import type { Tally } from "./tally.ts";

// Looked up once: on the global object it is an accessor, and importing `node:buffer` loads all that lies behind its exports.
const { Buffer } = globalThis;

/** A piece of output in stream order. */
interface Chunk {
  readonly bytes: Uint8Array;
  /** A large body, where it lies: its header is the end of the chunk before it. */
  readonly referred: boolean;
  /** Messages whose last byte lies in this chunk. */
  readonly messages: number;
  /** The pooled buffer to give back when this chunk is written, if it is the buffer's last. */
  readonly pooled: Buffer | undefined;
}

/** What is written at once. */
export interface Batch {
  readonly chunks: readonly Chunk[];
  readonly messages: number;
  readonly bytes: number;
}

export interface OutboxLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

export interface OutboxOwner {
  /** A buffer is full: a write would make room. */
  onFull(): void;
  /** A frame could not be sealed, for want of memory. Frames before it may be queued, and the next message would be joined to them. */
  onBroken(error: unknown): void;
}

export class Outbox {
  /** CURVE: seals all that comes through `frame`. */
  sealer: FrameSeal | undefined;
  /** Accepted and not yet settled. */
  messages = 0;
  bytes = 0;

  readonly #flusher: Flusher;
  readonly #limits: OutboxLimits;
  /** The whole socket's. */
  readonly #tally: Tally;
  readonly #owner: OutboxOwner;

  #chunks: Chunk[] = [];
  /** Taken, and not settled. */
  #taken: readonly Chunk[] = [];
  #buffer: Buffer | undefined;
  #start = 0;
  #end = 0;
  #messagesInBuffer = 0;

  constructor(flusher: Flusher, outboxLimits: OutboxLimits, tally: Tally, owner: OutboxOwner) {
    this.#flusher = flusher;
    this.#limits = outboxLimits;
    this.#tally = tally;
    this.#owner = owner;
  }

  /** Is it below its limits, and the socket's? */
  room(): boolean {
    return this.messages < this.#limits.messagesMax && this.bytes < this.#limits.bytesMax && this.#tally.room();
  }

  /** Is it at half its limits, or above? */
  halfFull(): boolean {
    return this.messages * 2 >= this.#limits.messagesMax || this.bytes * 2 >= this.#limits.bytesMax;
  }

  /** Bytes of the stream as they are. */
  raw(bytes: Uint8Array): void {
    if (bytes.length > limits.copyBytesMax) {
      this.#refer(bytes);
      return;
    }
    const at = this.#reserve(bytes.length);
    this.#buffer?.set(bytes, at);
    this.#advance(at + bytes.length);
  }

  frame(body: string | Uint8Array, flags: number): void {
    if (typeof body === "string") this.#text(body, flags);
    else this.#body(body, flags);
  }

  /** What was added last is the end of a message. */
  ended(): void {
    this.messages++;
    this.#tally.messages++;
    this.#messagesInBuffer++;
  }

  /** Takes what is to be written next: pieces off the front until they are `limits.writeBytesMax`; undefined if there are none. */
  take(): Batch | undefined {
    this.#seal(true);
    if (this.#chunks.length === 0) return undefined;
    const chunks = this.#front();
    this.#taken = chunks;
    let messages = 0;
    let bytes = 0;
    for (const chunk of chunks) {
      messages += chunk.messages;
      bytes += chunk.bytes.length;
    }
    return { chunks, messages, bytes };
  }

  /** The kernel has taken it. */
  settle({ chunks, messages, bytes }: Batch): void {
    this.#taken = [];
    for (const chunk of chunks) {
      if (chunk.pooled !== undefined) this.#flusher.release(chunk.pooled);
      if (chunk.referred) written(chunk.bytes);
    }
    this.messages -= messages;
    this.bytes -= bytes;
    this.#tally.less(messages, bytes);
  }

  /** The connection is closed, and nobody reads any more what was to be written: what is queued goes, but stays counted here. */
  abandon(): void {
    this.#tally.less(this.messages, this.bytes);
    for (const chunk of [...this.#taken, ...this.#chunks]) if (chunk.referred) written(chunk.bytes);
    this.#taken = [];
    this.#chunks = [];
    this.#buffer = undefined;
  }

  #front(): Chunk[] {
    let bytes = 0;
    let count = 0;
    for (const chunk of this.#chunks) {
      if (bytes >= limits.writeBytesMax && !chunk.referred && chunk.bytes.length > 0) break;
      bytes += chunk.bytes.length;
      count++;
    }
    if (count < this.#chunks.length) return this.#chunks.splice(0, count);
    const all = this.#chunks;
    this.#chunks = [];
    return all;
  }

  #body(body: Uint8Array, flags: number): void {
    if (this.sealer === undefined) this.#plainFrame(body, flags);
    else this.#sealedFrame(this.sealer, body, flags);
  }

  /** MORE and COMMAND lie within the seal, where nobody can change them. */
  #sealedFrame(sealer: FrameSeal, body: Uint8Array, flags: number): void {
    const size = body.length + sealer.overheadBytes;
    if (size > limits.copyBytesMax) {
      const sealed = Buffer.allocUnsafe(size);
      this.#sealInto(sealer, flags, body, sealed, 0);
      this.#plainFrame(sealed, 0);
      return;
    }
    const at = this.#reserve(size + longHeaderBytes);
    const buffer = this.#buffer as Buffer;
    const bodyAt = writeFrameHeader(buffer, at, 0, size);
    this.#sealInto(sealer, flags, body, buffer, bodyAt);
    this.#advance(bodyAt + size);
  }

  #sealInto(sealer: FrameSeal, flags: number, body: Uint8Array, target: Buffer, at: number): void {
    try {
      sealer.seal(flags, body, target, at);
    } catch (error) {
      this.#owner.onBroken(error);
      throw error;
    }
  }

  #plainFrame(body: Uint8Array, flags: number): void {
    const size = body.length;
    const copied = size <= limits.copyBytesMax;
    let at = this.#reserve(copied ? size + longHeaderBytes : longHeaderBytes);
    const buffer = this.#buffer as Buffer;
    at = writeFrameHeader(buffer, at, flags, size);
    if (copied) {
      buffer.set(body, at);
      this.#advance(at + size);
      return;
    }
    this.#advance(at);
    this.#refer(body);
  }

  #text(text: string, flags: number): void {
    if (this.sealer !== undefined) {
      this.#sealedFrame(this.sealer, Buffer.from(text), flags);
      return;
    }
    // UTF-8 takes at most three bytes for a UTF-16 unit: a short text needs no measuring before it is written.
    if (text.length * 3 <= shortBodyBytesMax) {
      const at = this.#reserve(text.length * 3 + longHeaderBytes);
      const buffer = this.#buffer as Buffer;
      const size = buffer.write(text, at + 2);
      buffer[at] = flags;
      buffer[at + 1] = size;
      this.#advance(at + 2 + size);
      return;
    }
    const size = Buffer.byteLength(text);
    if (size > limits.copyBytesMax) {
      this.#body(Buffer.from(text), flags);
      return;
    }
    const at = this.#reserve(size + longHeaderBytes);
    const buffer = this.#buffer as Buffer;
    const bodyAt = writeFrameHeader(buffer, at, flags, size);
    buffer.write(text, bodyAt);
    this.#advance(bodyAt + size);
  }

  /** Where the next `bytes` bytes (fewer than a buffer has) go; `#buffer` is set afterwards. */
  #reserve(bytes: number): number {
    if (this.#buffer !== undefined && this.#end + bytes <= this.#buffer.length) return this.#end;
    if (this.#buffer !== undefined) {
      this.#seal(true);
      this.#owner.onFull();
    }
    this.#buffer = this.#flusher.acquire();
    this.#start = 0;
    this.#end = 0;
    return 0;
  }

  #advance(end: number): void {
    const bytes = end - this.#end;
    this.bytes += bytes;
    this.#tally.bytes += bytes;
    this.#end = end;
  }

  /** Large bytes: written from where they lie. */
  #refer(bytes: Uint8Array): void {
    this.#seal(false);
    writing(bytes);
    this.#chunks.push({ bytes, referred: true, messages: 0, pooled: undefined });
    this.bytes += bytes.length;
    this.#tally.bytes += bytes.length;
  }

  /** Moves what the buffer holds to the chunks. With `whole` the buffer is left behind, to be pooled when written. */
  #seal(whole: boolean): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#chunks.push({
      bytes: buffer.subarray(this.#start, this.#end),
      referred: false,
      messages: this.#messagesInBuffer,
      pooled: whole ? buffer : undefined,
    });
    this.#messagesInBuffer = 0;
    this.#start = this.#end;
    if (whole) this.#buffer = undefined;
  }
}
