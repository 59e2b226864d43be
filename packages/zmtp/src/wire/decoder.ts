// Turns the byte stream that follows the greeting into frames, and these into messages (assembly.ts) and commands. Frames that lie within one chunk are views
// of it; only those that cross a chunk's end get a place of their own (body.ts). Never throws, and never holds more than the limits allow.
import { limits } from "../limits.ts";
import type { FrameSeal } from "../mechanism/mechanism.ts";
import type { Message } from "../types.ts";
import { Assembly } from "./assembly.ts";
import { PartialBody } from "./body.ts";
import {
  flagCommand,
  flagLong,
  flagMore,
  flagsReserved,
  longHeaderBytes,
  readLength,
  shortHeaderBytes,
} from "./frame.ts";
import type { Problem } from "./problem.ts";

export interface DecoderLimits {
  readonly messageBytesMax: number;
  readonly messageFramesMax: number;
}

/** Shared by all empty frames. */
const emptyFrame: Buffer = Buffer.alloc(0);

export class Decoder {
  /** What the frames become. */
  readonly assembly: Assembly = new Assembly();
  /** Until the handshake is done, a message frame is a protocol error. */
  messagesAllowed = false;
  /** CURVE: each frame from here on is sealed. */
  seal: FrameSeal | undefined;

  readonly #limits: DecoderLimits;
  /** Called with a command frame's body, in stream order; a returned problem ends the decoding. */
  readonly #onCommand: (body: Buffer) => Problem | undefined;

  #problem: Problem | undefined;
  /** The header of a frame that crosses a chunk's end. */
  readonly #header: Buffer = Buffer.alloc(longHeaderBytes);
  #headerBytes = 0;
  /** The body of a frame that crosses a chunk's end, and the frame's flags. */
  readonly #body: PartialBody = new PartialBody((bytes) => this.#tellOf(this.heldBytes + bytes));
  #flags = 0;
  #told = 0;
  readonly #onHeld: ((bytes: number) => void) | undefined;

  /** @param onHeld called with what `heldBytes` is going to be, before memory is taken, and after each chunk that was held on to. */
  constructor(
    decoderLimits: DecoderLimits,
    onCommand: (body: Buffer) => Problem | undefined,
    onHeld?: (bytes: number) => void,
  ) {
    this.#limits = decoderLimits;
    this.#onCommand = onCommand;
    this.#onHeld = onHeld;
  }

  /** Lets go of what is held; every later chunk is ignored. */
  stop(): void {
    this.#problem ??= { reason: "closed-here", detail: "the connection was dropped" };
    this.assembly.drop();
    this.#body.drop();
  }

  /**
   * Decodes a chunk, which belongs to the decoder from now on. After a problem, every later chunk is ignored.
   * @returns what is wrong with the stream; the messages before that point are still to be taken.
   */
  push(chunk: Buffer): Problem | undefined {
    if (this.#problem !== undefined) return this.#problem;
    let at = 0;
    if (this.#body.begun) at = this.#continueBody(chunk, 0);
    else if (this.#headerBytes > 0) at = this.#continueHeader(chunk);
    // A problem ends the loop too: it answers with the chunk's end.
    while (at < chunk.length) at = this.#frame(chunk, at);
    this.assembly.settle(chunk);
    this.#tell();
    return this.#problem;
  }

  /**
   * As `push`, of a chunk that is the caller's again afterwards. What belongs to a frame that was begun is copied to its place, and
   * so is the beginning of one that does not end here; of the rest, and so of all small frames, one copy is made.
   */
  pushBorrowed(chunk: Buffer): Problem | undefined {
    if (this.#problem !== undefined) return this.#problem;
    const at = this.#body.begun ? this.#continueBody(chunk, 0) : 0;
    if (at < chunk.length) {
      if (this.#headerBytes > 0 || this.#endsWithin(chunk, at)) return this.push(Buffer.from(chunk.subarray(at)));
      this.#frame(chunk, at);
    }
    this.#tell();
    return this.#problem;
  }

  /** Where the bytes that come next may be put, instead of being pushed, for `placed` to be told of: the rest of a large body, or a part of it. */
  place(): Buffer | undefined {
    return this.#body.place();
  }

  /** Of the body that `place` gives the rest of: what has come. */
  get bodyBytes(): number {
    return this.#body.filledBytes;
  }

  /** As `push`, of so many bytes (one at least) that were put into what `place` gave. */
  placed(bytes: number): Problem | undefined {
    if (!this.#body.begun) return this.#problem;
    this.#body.placed(bytes);
    this.#completeBody();
    this.#tell();
    return this.#problem;
  }

  /** Is the frame at `at` whole in this chunk? */
  #endsWithin(chunk: Buffer, at: number): boolean {
    const long = ((chunk[at] ?? 0) & flagLong) !== 0;
    const bodyAt = at + (long ? longHeaderBytes : shortHeaderBytes);
    if (bodyAt > chunk.length) return false;
    return bodyAt + (long ? readLength(chunk, at + 1) : (chunk[at + 1] ?? 0)) <= chunk.length;
  }

  /** The messages that were completed since the last call. */
  take(): Message[] {
    return this.assembly.take();
  }

  /** Memory held for a frame or message that is not complete. */
  get heldBytes(): number {
    return this.assembly.heldBytes + this.#body.heldBytes;
  }

  #tell(): void {
    const bytes = this.heldBytes;
    if (bytes === 0 && this.#told === 0) return;
    this.#tellOf(bytes);
  }

  #tellOf(bytes: number): void {
    this.#told = bytes;
    this.#onHeld?.(bytes);
  }

  /** Decodes the frame at `at`, or keeps its beginning; returns where the next one starts. */
  #frame(chunk: Buffer, at: number): number {
    const flags = chunk[at] ?? 0;
    let bodyAt = at + shortHeaderBytes;
    let size = 0;
    if ((flags & flagLong) !== 0) {
      bodyAt = at + longHeaderBytes;
      if (bodyAt > chunk.length) return this.#keepHeader(chunk, at);
      size = readLength(chunk, at + 1);
    } else {
      if (bodyAt > chunk.length) return this.#keepHeader(chunk, at);
      size = chunk[at + 1] ?? 0;
    }
    if (!this.#admit(flags, size)) return chunk.length;
    const end = bodyAt + size;
    if (end <= chunk.length) {
      return this.#complete(flags, size === 0 ? emptyFrame : chunk.subarray(bodyAt, end)) ? end : chunk.length;
    }
    this.#flags = flags;
    this.#body.begin(size, chunk.length - bodyAt);
    return this.#continueBody(chunk, bodyAt);
  }

  #keepHeader(chunk: Buffer, at: number): number {
    // The flags are judged at once: a peer that sends one bad byte and waits must not be held on to.
    if (!this.#admit(chunk[at] ?? 0, 0)) return chunk.length;
    chunk.copy(this.#header, 0, at);
    this.#headerBytes = chunk.length - at;
    return chunk.length;
  }

  #continueHeader(chunk: Buffer): number {
    const need = ((this.#header[0] ?? 0) & flagLong) === 0 ? shortHeaderBytes : longHeaderBytes;
    const taken = Math.min(need - this.#headerBytes, chunk.length);
    chunk.copy(this.#header, this.#headerBytes, 0, taken);
    this.#headerBytes += taken;
    if (this.#headerBytes < need) return chunk.length;
    this.#headerBytes = 0;
    const flags = this.#header[0] ?? 0;
    const size = need === shortHeaderBytes ? (this.#header[1] ?? 0) : readLength(this.#header, 1);
    if (!this.#admit(flags, size)) return chunk.length;
    if (taken + size <= chunk.length) {
      const frame = size === 0 ? emptyFrame : chunk.subarray(taken, taken + size);
      return this.#complete(flags, frame) ? taken + size : chunk.length;
    }
    this.#flags = flags;
    this.#body.begin(size, chunk.length - taken);
    return this.#continueBody(chunk, taken);
  }

  #continueBody(chunk: Buffer, at: number): number {
    const end = at + this.#body.fill(chunk, at);
    return this.#completeBody() ? end : chunk.length;
  }

  /** @returns false when it is not whole, or the frame is a problem. */
  #completeBody(): boolean {
    const body = this.#body.takeWhole();
    return body !== undefined && this.#complete(this.#flags, body);
  }

  /** Judges a header before anything is allocated for the body. */
  #admit(flags: number, size: number): boolean {
    if (flags <= (flagMore | flagLong) && this.messagesAllowed) {
      const overheadBytes = this.seal === undefined ? 0 : this.seal.overheadBytes;
      if (
        this.assembly.bytes + size <= this.#limits.messageBytesMax + overheadBytes &&
        this.assembly.frames < this.#limits.messageFramesMax
      )
        return true;
      const { messageBytesMax, messageFramesMax } = this.#limits;
      return this.#fail(
        "frame-too-large",
        `a message above the limit of ${messageBytesMax} bytes or ${messageFramesMax} frames`,
      );
    }
    if ((flags & flagsReserved) !== 0)
      return this.#fail("protocol-error", `reserved bits in a frame's flags: ${flags}`);
    if ((flags & flagCommand) === 0) return this.#fail("protocol-error", "a message before the handshake was done");
    if ((flags & flagMore) !== 0) return this.#fail("protocol-error", "a command with the MORE flag");
    if (size > limits.commandBytesMax)
      return this.#fail("frame-too-large", `a command of ${size} bytes, at most ${limits.commandBytesMax} are taken`);
    return true;
  }

  #fail(reason: Problem["reason"], detail: string): false {
    this.#problem = { reason, detail };
    this.assembly.drop();
    return false;
  }

  /** @returns false when the frame is a problem. */
  #complete(flags: number, frame: Buffer): boolean {
    const { seal } = this;
    if (seal === undefined) return this.#deliver(flags, frame);
    const opened = seal.open(frame);
    if (opened instanceof Uint8Array) return this.#deliver(seal.openedFlags, opened);
    return this.#fail(opened.reason, opened.detail);
  }

  /** @returns false when the command that it completes is a problem. */
  #deliver(flags: number, frame: Buffer): boolean {
    if ((flags & flagCommand) !== 0) {
      this.#problem = this.#onCommand(frame);
      return this.#problem === undefined;
    }
    this.assembly.add(flags, frame);
    return true;
  }
}
