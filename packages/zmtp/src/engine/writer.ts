// One peer's way out: takes messages, and writes what is queued, at most one write at a time, so that what was and what was not handed over
// to the kernel is known exactly. Never reads, never closes.
import type { Writable } from "node:stream";
import { asError } from "@wherry/core";
import { limits } from "../limits.ts";
import type { FrameSeal } from "../mechanism/mechanism.ts";
import { flagCommand, flagMore, longHeaderBytes, shortBodyBytesMax, shortHeaderBytes } from "../wire/frame.ts";
import type { EncodedMessage } from "../wire/encoded.ts";
import type { Flushable, Flusher } from "./flusher.ts";
import type { Output } from "./link.ts";
import { type Batch, Outbox, type OutboxLimits, type OutboxOwner } from "./outbox.ts";
import type { Tally } from "./tally.ts";

const nothing = new Uint8Array(0);

export class Writer implements Flushable, Output, OutboxOwner {
  /** Taken by the kernel. */
  messagesOut = 0;
  bytesOut = 0;

  readonly #socket: Writable;
  readonly #flusher: Flusher;
  readonly #outbox: Outbox;
  /** Called when the queue has room again after it had none (at half its limits), and when it has become empty. */
  readonly #onProgress: () => void;

  #dirty = false;
  /** When the oldest of what is not written came, in this tick; by `Clock.monotonic`. */
  #dirtyMs = 0;
  #untilLook: number = limits.messagesPerLook;
  #dead = false;
  /** What is with the kernel. */
  #writing: Batch | undefined;
  /** Write callbacks to come for batches that are settled already. */
  #settledEarly = 0;

  constructor(socket: Writable, flusher: Flusher, outboxLimits: OutboxLimits, tally: Tally, onProgress: () => void) {
    this.#socket = socket;
    this.#flusher = flusher;
    this.#outbox = new Outbox(flusher, outboxLimits, tally, this);
    this.#onProgress = onProgress;
  }

  /** CURVE: from here on all frames but those of `raw` are sealed. */
  sealWith(sealer: FrameSeal | undefined): void {
    this.#outbox.sealer = sealer;
  }

  /** Accepted and not yet taken by the kernel. */
  get queuedMessages(): number {
    return this.#outbox.messages;
  }

  get queuedBytes(): number {
    return this.#outbox.bytes;
  }

  /** Is the queue below its limits? A message may then exceed them by itself. When it is not, a write is tried first. */
  room(): boolean {
    if (this.#outbox.room()) return true;
    if (this.#writing !== undefined) return false;
    this.flush();
    return this.#outbox.room();
  }

  get empty(): boolean {
    return this.#outbox.bytes === 0;
  }

  /** One message of one frame. */
  single(body: string | Uint8Array): void {
    this.#outbox.frame(body, 0);
    this.#ended();
  }

  /** One message: `frames` from index `from` on, the last without MORE. */
  message(frames: readonly (string | Uint8Array)[], from: number): void {
    const last = frames.length - 1;
    for (let index = from; index <= last; index++)
      this.#outbox.frame(frames[index] ?? "", index === last ? 0 : flagMore);
    this.#ended();
  }

  /** Frames of a message that is ended by a later `message` or `single`. */
  leading(frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#outbox.frame(frame, flagMore);
  }

  encoded(message: EncodedMessage): void {
    if (this.#outbox.sealer !== undefined) {
      this.message(message.frames, 0);
      return;
    }
    for (const part of message.parts) this.#outbox.raw(part);
    this.#ended();
  }

  /** Bytes as they are: a greeting or an encoded command. Not counted as a message. */
  raw(bytes: Uint8Array): void {
    this.#outbox.raw(bytes);
    this.#markDirty();
  }

  /** An encoded command after the handshake: sealed like a message. */
  command(frame: Uint8Array): void {
    if (this.#outbox.sealer === undefined) {
      this.raw(frame);
      return;
    }
    const bodyAt = frame.length - 2 <= shortBodyBytesMax ? shortHeaderBytes : longHeaderBytes;
    this.#outbox.frame(frame.subarray(bodyAt), flagCommand);
    this.#markDirty();
  }

  /** Writes what is queued now, unless a write is under way: its end continues. */
  flush(): void {
    this.#dirty = false;
    this.#writeAll();
  }

  onFull(): void {
    if (this.#writing === undefined) this.flush();
  }

  onBroken(error: unknown): void {
    this.#socket.destroy(asError(error));
  }

  /** The connection is gone: nothing more is written, and what is queued stays counted. */
  stop(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#writing = undefined;
    this.#outbox.abandon();
  }

  #ended(): void {
    this.#outbox.ended();
    this.#markDirty();
    if (--this.#untilLook === 0) this.#look();
  }

  #markDirty(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#dirtyMs = this.#flusher.nowMs();
    this.#flusher.add(this);
  }

  /** A tick with much to do writes before its end: else the peer idles while we work, and we while it does. */
  #look(): void {
    this.#untilLook = limits.messagesPerLook;
    const nowMs = this.#flusher.nowMs();
    if (nowMs - this.#dirtyMs < limits.writeAfterMs) return;
    this.#dirtyMs = nowMs;
    this.#writeAll();
  }

  #writeAll(): void {
    if (this.#dead || this.#writing !== undefined) return;
    while (this.#writeBatch());
  }

  /** @returns whether the kernel took it all at once, so that the next batch can follow. */
  #writeBatch(): boolean {
    const batch = this.#outbox.take();
    if (batch === undefined) return false;
    this.#writing = batch;
    this.#hand(batch);
    // Mostly the kernel takes everything at once; then the buffers are free before the callback comes, a tick later.
    if (this.#socket.writableLength === 0 && this.#socket.errored === null) {
      this.#settledEarly++;
      this.#settle(batch);
      // Whoever was told of progress may have flushed in turn.
      return this.#idle();
    }
    return false;
  }

  #idle(): boolean {
    return this.#writing === undefined;
  }

  #hand({ chunks }: Batch): void {
    const socket = this.#socket;
    const [first] = chunks;
    if (chunks.length === 1 && first !== undefined) {
      socket.write(first.bytes, this.#onWritten);
      return;
    }
    socket.cork();
    for (const { bytes } of chunks) if (bytes.length > 0) socket.write(bytes);
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
    this.#settle(this.#writing);
    this.flush();
  };

  #settle(batch: Batch): void {
    const had = this.#outbox.halfFull();
    this.#writing = undefined;
    this.messagesOut += batch.messages;
    this.bytesOut += batch.bytes;
    this.#outbox.settle(batch);
    if (this.empty || (had && !this.#outbox.halfFull())) this.#onProgress();
  }
}
