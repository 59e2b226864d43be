// Frames become messages: those that are whole, in order, and the one whose last frame has not come. Judges nothing; the decoder does, by what is
// counted here.
import { limits } from "../limits.ts";
import type { Message } from "../types.ts";
import { flagMore } from "./frame.ts";

export class Assembly {
  /** Prepended to each message (ROUTER: the peer's routing id). */
  prefix: Uint8Array | undefined;
  /** Of the message that is not complete: its frames' bytes, and how many they are. */
  bytes = 0;
  frames = 0;

  #whole: Message[] = [];
  #partial: Uint8Array[] | undefined;
  /** Of the frames in `#partial`, how many are known not to keep a large chunk alive. */
  #settled = 0;

  get heldBytes(): number {
    return this.bytes + this.frames * limits.frameHeldBytes;
  }

  add(flags: number, frame: Buffer): void {
    const partial = this.#partial;
    if ((flags & flagMore) !== 0) {
      if (partial === undefined) {
        this.#partial = this.prefix === undefined ? [frame] : [this.prefix, frame];
        this.#settled = 0;
      } else partial.push(frame);
      this.bytes += frame.length;
      this.frames++;
    } else if (partial === undefined) {
      this.#whole.push(this.prefix === undefined ? [frame] : [this.prefix, frame]);
    } else {
      this.#whole.push(ended(partial, frame));
      this.drop();
    }
  }

  /** Puts a message between those that came before this point of the stream and those that follow. */
  insert(message: Message): void {
    this.#whole.push(message);
  }

  /** The messages that were completed since the last call. */
  take(): Message[] {
    const messages = this.#whole;
    if (messages.length > 0) this.#whole = [];
    return messages;
  }

  /** The message that is not complete will never be. */
  drop(): void {
    this.#partial = undefined;
    this.bytes = 0;
    this.frames = 0;
  }

  /** After a chunk: few small frames that wait for the rest of their message must not keep all of it. They get a place of their own. */
  settle(chunk: Buffer): void {
    const frames = this.#partial;
    if (frames === undefined) return;
    if (chunk.length > limits.chunkKeptBytes) {
      let bytes = 0;
      for (let n = this.#settled; n < frames.length; n++)
        if (frames[n]?.buffer === chunk.buffer) bytes += frames[n]?.length ?? 0;
      if (bytes * 2 < chunk.length)
        for (let n = this.#settled; n < frames.length; n++) {
          const frame = frames[n];
          if (frame?.buffer === chunk.buffer) frames[n] = Buffer.from(frame);
        }
    }
    this.#settled = frames.length;
  }
}

/** Most messages have two or three frames: made anew, their arrays are as long as they are, where `push` would take room for sixteen more. */
function ended(partial: Uint8Array[], last: Uint8Array): Message {
  const [first, second] = partial;
  if (first !== undefined && partial.length === 1) return [first, last];
  if (first !== undefined && second !== undefined && partial.length === 2) return [first, second, last];
  partial.push(last);
  return partial;
}
