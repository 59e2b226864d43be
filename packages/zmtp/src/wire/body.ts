// The body of a frame that did not come in one piece: its memory, which grows with the bytes that came and not with the size that was announced,
// and where the next of them go. One at a time for each connection.
import { limits } from "../limits.ts";
import { largeBody } from "./recycled.ts";

export class PartialBody {
  readonly #onGrow: (bytes: number) => void;
  #bytes: Buffer | undefined;
  #filled = 0;
  #size = 0;
  /** What a body gets before its bytes have come: more than at first, once this peer has brought a large one whole. */
  #firstBytes: number = limits.bodyFirstBytes;

  /** @param onGrow called with how much more `heldBytes` is going to be, before memory is taken. */
  constructor(onGrow: (bytes: number) => void) {
    this.#onGrow = onGrow;
  }

  /** Is there one, not whole yet? */
  get begun(): boolean {
    return this.#bytes !== undefined;
  }

  get heldBytes(): number {
    return this.#bytes?.length ?? 0;
  }

  /** How much of it has come. */
  get filledBytes(): number {
    return this.#filled;
  }

  /** @param thereBytes how many of its bytes are there to be filled in at once: fewer than `size`. */
  begin(size: number, thereBytes: number): void {
    const bytes = Math.min(size, Math.max(this.#firstBytes, thereBytes));
    this.#onGrow(bytes);
    this.#bytes = memory(bytes);
    this.#filled = 0;
    this.#size = size;
  }

  /** Copies what there is from `at` on, or what is missing. @returns how many bytes that were. */
  fill(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#size - this.#filled, chunk.length - at);
    this.#reach(this.#filled + taken);
    if (this.#bytes !== undefined) chunk.copy(this.#bytes, this.#filled, at, at + taken);
    this.#filled += taken;
    return taken;
  }

  /**
   * Where bytes that are still to be read may be put, for `placed` to be told of. The view is good until the next call. Undefined: there is no body, or it is
   * too small for that, and they are for `fill`.
   */
  place(): Buffer | undefined {
    if (this.#bytes === undefined || this.#size < limits.placedBytesMin || this.#filled === this.#bytes.length)
      return undefined;
    return this.#bytes.subarray(this.#filled, this.#filled + limits.placedReadBytesMax);
  }

  /** So many bytes, one at least, were put into what `place` gave. */
  placed(bytes: number): void {
    this.#filled += bytes;
    if (this.#filled < this.#size) this.#reach(this.#filled + 1);
  }

  /** Takes it, when it is whole. */
  takeWhole(): Buffer | undefined {
    if (this.#filled < this.#size) return undefined;
    const whole = this.#bytes;
    this.#bytes = undefined;
    this.#firstBytes = Math.max(this.#firstBytes, Math.min(this.#size, limits.bodyProvenBytesMax));
    return whole;
  }

  /** It will never be whole. */
  drop(): void {
    this.#bytes = undefined;
  }

  /** Makes room for the first `end` bytes. */
  #reach(end: number): void {
    const before = this.#bytes;
    if (before === undefined || end <= before.length) return;
    const bytes = Math.min(this.#size, Math.max(before.length * 4, end));
    this.#onGrow(bytes - before.length);
    this.#bytes = memory(bytes);
    before.copy(this.#bytes, 0, 0, this.#filled);
  }
}

function memory(bytes: number): Buffer {
  return bytes < limits.placedBytesMin ? Buffer.allocUnsafe(bytes) : largeBody(bytes);
}
