// One peer's output: frames are encoded into pooled buffers (large bodies stay where they lie), and at most one write is
// with the kernel at a time, so that what was and what was not handed over is known exactly. Never reads, never closes.
import type { Writable } from "node:stream";
import { asError } from "@wherry/core";
import { limits } from "../limits.ts";
import type { FrameSeal } from "../mechanism/mechanism.ts";
import {
  flagCommand,
  flagMore,
  longHeaderBytes,
  shortBodyBytesMax,
  shortHeaderBytes,
  writeFrameHeader,
} from "../wire/frame.ts";
import type { EncodedMessage } from "../wire/encoded.ts";
import type { Flushable, Flusher } from "./flusher.ts";
import type { Output } from "./link.ts";
import type { Tally } from "./tally.ts";

const nothing = new Uint8Array(0);

/** A piece of output in stream order. */
interface Chunk {
  readonly bytes: Uint8Array;
  /** Messages whose last byte lies in this chunk. */
  readonly messages: number;
  /** The pooled buffer to give back when this chunk is written, if it is the buffer's last. */
  readonly pooled: Buffer | undefined;
}

export interface WriterLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

export class Writer implements Flushable, Output {
  /** CURVE: all frames but those of `raw` are sealed. */
  sealer: FrameSeal | undefined;
  /** Accepted and not yet taken by the kernel. */
  queuedMessages = 0;
  queuedBytes = 0;
  /** Taken by the kernel. */
  messagesOut = 0;
  bytesOut = 0;

  readonly #socket: Writable;
  readonly #flusher: Flusher;
  readonly #limits: WriterLimits;
  /** The whole socket's. */
  readonly #tally: Tally;
  /** Called when the queue has room again after it had none (at half its limits), and when it has become empty. */
  readonly #onProgress: () => void;

  #chunks: Chunk[] = [];
  #buffer: Buffer | undefined;
  #start = 0;
  #end = 0;
  #messagesInBuffer = 0;
  #dirty = false;
  #dead = false;

  /** The batch that is with the kernel. */
  #writing: Chunk[] | undefined;
  #writingMessages = 0;
  #writingBytes = 0;
  /** Write callbacks to come for batches that are settled already. */
  #settledEarly = 0;

  constructor(socket: Writable, flusher: Flusher, writerLimits: WriterLimits, tally: Tally, onProgress: () => void) {
    this.#socket = socket;
    this.#flusher = flusher;
    this.#limits = writerLimits;
    this.#tally = tally;
    this.#onProgress = onProgress;
  }

  /** Is the queue below its limits? A message may then exceed them by itself. When it is not, a write is tried first. */
  room(): boolean {
    if (this.#hasRoom()) return true;
    if (this.#writing !== undefined) return false;
    this.flush();
    return this.#hasRoom();
  }

  #hasRoom(): boolean {
    return (
      this.queuedMessages < this.#limits.messagesMax && this.queuedBytes < this.#limits.bytesMax && this.#tally.room()
    );
  }

  get empty(): boolean {
    return this.queuedBytes === 0;
  }

  /** One message of one frame. */
  single(body: string | Uint8Array): void {
    if (typeof body === "string") this.#text(body, 0);
    else this.#frame(body, 0);
    this.#ended();
  }

  /** One message: `frames` from index `from` on, the last without MORE. */
  message(frames: readonly (string | Uint8Array)[], from: number): void {
    const last = frames.length - 1;
    for (let index = from; index <= last; index++) {
      const body = frames[index] ?? "";
      const flags = index === last ? 0 : flagMore;
      if (typeof body === "string") this.#text(body, flags);
      else this.#frame(body, flags);
    }
    this.#ended();
  }

  /** Frames of a message that is ended by a later `message` or `single`. */
  leading(frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#frame(frame, flagMore);
  }

  encoded(message: EncodedMessage): void {
    if (this.sealer !== undefined) {
      this.message(message.frames, 0);
      return;
    }
    for (const part of message.parts) this.#bytes(part);
    this.#ended();
  }

  /** Bytes as they are: a greeting or an encoded command. Not counted as a message. */
  raw(bytes: Uint8Array): void {
    this.#bytes(bytes);
    this.#markDirty();
  }

  #bytes(bytes: Uint8Array): void {
    if (bytes.length > limits.copyBytesMax) {
      this.#refer(bytes);
      return;
    }
    const at = this.#reserve(bytes.length);
    this.#buffer?.set(bytes, at);
    this.#advance(at + bytes.length);
  }

  /** Large bytes: written from where they lie. */
  #refer(bytes: Uint8Array): void {
    this.#seal(false);
    this.#chunks.push({ bytes, messages: 0, pooled: undefined });
    this.queuedBytes += bytes.length;
    this.#tally.bytes += bytes.length;
  }

  /** An encoded command after the handshake: sealed like a message. */
  command(frame: Uint8Array): void {
    if (this.sealer === undefined) {
      this.raw(frame);
      return;
    }
    const bodyAt = frame.length - 2 <= shortBodyBytesMax ? shortHeaderBytes : longHeaderBytes;
    this.#frame(frame.subarray(bodyAt), flagCommand);
    this.#markDirty();
  }

  /** Writes what is queued now, unless a write is under way: its end continues. */
  flush(): void {
    this.#dirty = false;
    if (this.#dead || this.#writing !== undefined) return;
    this.#seal(true);
    while (this.#chunks.length > 0 && this.#writeBatch());
  }

  /** The connection is gone: nothing more is written, and what is queued stays counted. */
  stop(): void {
    if (!this.#dead) this.#tally.less(this.queuedMessages, this.queuedBytes);
    this.#dead = true;
    this.#chunks = [];
    this.#writing = undefined;
    this.#buffer = undefined;
  }

  /** @returns whether the kernel took it all at once, so that the next batch can follow. */
  #writeBatch(): boolean {
    const batch = this.#nextBatch();
    this.#writing = batch;
    let messages = 0;
    let bytes = 0;
    for (const chunk of batch) {
      messages += chunk.messages;
      bytes += chunk.bytes.length;
    }
    this.#writingMessages = messages;
    this.#writingBytes = bytes;
    this.#hand(batch);
    // Mostly the kernel takes everything at once; then the buffers are free before the callback comes, a tick later.
    if (this.#socket.writableLength === 0 && this.#socket.errored === null) {
      this.#settledEarly++;
      this.#settle();
      // Whoever was told of progress may have flushed in turn.
      return this.#idle();
    }
    return false;
  }

  #idle(): boolean {
    return this.#writing === undefined;
  }

  #hand(batch: readonly Chunk[]): void {
    const socket = this.#socket;
    const [first] = batch;
    if (batch.length === 1 && first !== undefined) {
      socket.write(first.bytes, this.#onWritten);
      return;
    }
    socket.cork();
    for (const { bytes } of batch) if (bytes.length > 0) socket.write(bytes);
    // Callbacks come in order: that of an empty last write is the whole batch's.
    socket.write(nothing, this.#onWritten);
    socket.uncork();
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (this.#settledEarly > 0) {
      this.#settledEarly--;
      return;
    }
    // A failed write ends the connection (its `close` follows); what it held stays queued, and so counts as undelivered.
    if (error !== undefined && error !== null) return;
    if (this.#dead || this.#writing === undefined) return;
    this.#settle();
    this.flush();
  };

  /** The batch with the kernel is taken. */
  #settle(): void {
    const had = this.#full(2);
    for (const chunk of this.#writing ?? []) if (chunk.pooled !== undefined) this.#flusher.release(chunk.pooled);
    this.#writing = undefined;
    this.queuedMessages -= this.#writingMessages;
    this.queuedBytes -= this.#writingBytes;
    this.messagesOut += this.#writingMessages;
    this.bytesOut += this.#writingBytes;
    this.#tally.less(this.#writingMessages, this.#writingBytes);
    if (this.queuedBytes === 0 || (had && !this.#full(2))) this.#onProgress();
  }

  /** Is the queue at its limits divided by `divisor`? */
  #full(divisor: number): boolean {
    return (
      this.queuedMessages * divisor >= this.#limits.messagesMax || this.queuedBytes * divisor >= this.#limits.bytesMax
    );
  }

  /** Takes chunks off the queue's front up to `limits.writeBytesMax`, at least one. */
  #nextBatch(): Chunk[] {
    let bytes = 0;
    let count = 0;
    for (const chunk of this.#chunks) {
      bytes += chunk.bytes.length;
      if (count > 0 && bytes > limits.writeBytesMax && chunk.bytes.length > 0) break;
      count++;
    }
    if (count < this.#chunks.length) return this.#chunks.splice(0, count);
    const all = this.#chunks;
    this.#chunks = [];
    return all;
  }

  #ended(): void {
    this.queuedMessages++;
    this.#tally.messages++;
    this.#messagesInBuffer++;
    this.#markDirty();
  }

  #markDirty(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#flusher.add(this);
  }

  #frame(body: Uint8Array, flags: number): void {
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

  /** Without memory for it, the connection ends: frames before this one may be queued, and the next message would be joined to them. */
  #sealInto(sealer: FrameSeal, flags: number, body: Uint8Array, target: Buffer, at: number): void {
    try {
      sealer.seal(flags, body, target, at);
    } catch (error) {
      this.#socket.destroy(asError(error));
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
      const size = buffer.write(text, at + 2, "utf8");
      buffer[at] = flags;
      buffer[at + 1] = size;
      this.#advance(at + 2 + size);
      return;
    }
    const size = Buffer.byteLength(text);
    if (size > limits.copyBytesMax) {
      this.#frame(Buffer.from(text), flags);
      return;
    }
    const at = this.#reserve(size + longHeaderBytes);
    const buffer = this.#buffer as Buffer;
    const bodyAt = writeFrameHeader(buffer, at, flags, size);
    buffer.write(text, bodyAt, "utf8");
    this.#advance(bodyAt + size);
  }

  /** Where the next `bytes` bytes (fewer than a buffer has) go; `#buffer` is set afterwards. */
  #reserve(bytes: number): number {
    if (this.#buffer !== undefined && this.#end + bytes <= this.#buffer.length) return this.#end;
    if (this.#buffer !== undefined) {
      this.#seal(true);
      if (this.#writing === undefined) this.flush();
    }
    this.#buffer = this.#flusher.acquire();
    this.#start = 0;
    this.#end = 0;
    return 0;
  }

  #advance(end: number): void {
    const bytes = end - this.#end;
    this.queuedBytes += bytes;
    this.#tally.bytes += bytes;
    this.#end = end;
  }

  /** Moves what the buffer holds to the chunks. With `whole` the buffer is left behind, to be pooled when written. */
  #seal(whole: boolean): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#chunks.push({
      bytes: buffer.subarray(this.#start, this.#end),
      messages: this.#messagesInBuffer,
      pooled: whole ? buffer : undefined,
    });
    this.#messagesInBuffer = 0;
    this.#start = this.#end;
    if (whole) this.#buffer = undefined;
  }
}
