// One peer's way in: bytes from the socket to the decoder, by the shared buffer where that can be, and all that is counted of them. It knows nothing of the
// handshake but that it comes first, and never ends the connection.
import type { Socket as NetSocket } from "node:net";
import type { Clock } from "@wherry/core";
import { limits } from "../limits.ts";
import type { Message } from "../types.ts";
import { Decoder, type DecoderLimits } from "../wire/decoder.ts";
import { longHeaderBytes } from "../wire/frame.ts";
import type { Problem } from "../wire/problem.ts";
import { letGo, readShared, type Sink } from "./shared-read.ts";

export interface ReaderOwner {
  /** What comes before the first frame is the owner's. @returns the rest, for the decoder; undefined: nothing, or it is over. */
  greet(chunk: Buffer): Buffer | undefined;
  /** A command frame's body, in stream order; a returned problem ends the decoding. */
  onCommand(body: Buffer): Problem | undefined;
  /** What `held` is going to be, before memory is taken. */
  onHeld(bytes: number): void;
  /** Bytes were decoded: `takeMessages` has what they completed, up to the problem. */
  onDecoded(problem: Problem | undefined): void;
}

export class Reader implements Sink {
  readonly decoder: Decoder;
  bytesIn = 0;
  messagesIn = 0;
  lastActivityMs: number;
  readonly #socket: NetSocket;
  readonly #clock: Clock;
  readonly #owner: ReaderOwner;
  #greeted = false;
  /** Is the next read one to a body's place? */
  #placing = false;
  /** Bytes that came by the shared buffer since the last body that was read to its place, and how many they were before that body. */
  #sharedBytes = 0;
  #betweenBytes: number = limits.readBufferBytes;

  constructor(socket: NetSocket, clock: Clock, decoderLimits: DecoderLimits, owner: ReaderOwner) {
    this.#socket = socket;
    this.#clock = clock;
    this.#owner = owner;
    this.lastActivityMs = clock.monotonic();
    this.decoder = new Decoder(
      decoderLimits,
      (body) => owner.onCommand(body),
      (bytes) => owner.onHeld(bytes),
    );
    // A socket has its switches for reading only when it is connected.
    if (socket.connecting) socket.once("connect", () => this.#start());
    else this.#start();
  }

  /** From here on all bytes are frames. */
  greeted(): void {
    this.#greeted = true;
  }

  pause(): void {
    this.#socket.pause();
  }

  unpause(): void {
    // The silence so far was not the peer's.
    this.lastActivityMs = this.#clock.monotonic();
    this.#socket.resume();
  }

  takeMessages(): Message[] {
    const messages = this.decoder.take();
    this.messagesIn += messages.length;
    return messages;
  }

  /** Lets go of what came of a message that will never be complete; whatever comes still is ignored. */
  stop(): void {
    this.decoder.stop();
  }

  /** The socket is closed. */
  close(): void {
    this.stop();
    letGo(this.#socket);
  }

  #start(): void {
    const socket = this.#socket;
    if (!readShared(socket, this)) socket.on("data", (chunk) => this.#onData(chunk));
    socket.resume();
  }

  /**
   * Where the next bytes go. After a large body they are what comes before the next one, if the peer goes on as before: then that
   * one is read to its place from its first byte on. A wrong guess costs one short read, or a copy.
   */
  next(): Buffer | number {
    const place = this.decoder.place();
    const wasPlacing = this.#placing;
    this.#placing = place !== undefined;
    if (place === undefined) {
      if (!wasPlacing) return limits.readBufferBytes;
      this.#sharedBytes = 0;
      return this.#betweenBytes;
    }
    if (!wasPlacing) this.#betweenBytes = Math.max(longHeaderBytes, this.#sharedBytes - this.decoder.bodyBytes);
    return place;
  }

  placed(bytes: number): void {
    this.#count(bytes);
    this.#owner.onDecoded(this.decoder.placed(bytes));
  }

  take(bytes: Buffer): void {
    this.#sharedBytes += bytes.length;
    if (!this.#greeted) {
      this.#onData(Buffer.from(bytes));
      return;
    }
    this.#count(bytes.length);
    this.#owner.onDecoded(this.decoder.pushBorrowed(bytes));
  }

  #onData(chunk: Buffer): void {
    this.#count(chunk.length);
    const frames = this.#greeted ? chunk : this.#owner.greet(chunk);
    if (frames !== undefined) this.#owner.onDecoded(this.decoder.push(frames));
  }

  #count(bytes: number): void {
    this.bytesIn += bytes;
    this.lastActivityMs = this.#clock.monotonic();
  }
}
