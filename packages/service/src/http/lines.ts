// Cuts a stream of bytes into lines, wherever its pieces end. Holds no more than one line that is not complete. Pure.
const newline = 0x0a;

export class LineSplitter {
  /** Pieces of the line that is not complete. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  readonly #lineBytesMax: number;
  #count = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** Bytes of the line that is not complete. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Lines given so far: the number of the last one. */
  get count(): number {
    return this.#count;
  }

  /**
   * The lines that this piece completes, without their newlines; to be taken one by one.
   * @throws RangeError for a line that is too long; its number is `count + 1`
   */
  *push(piece: Buffer): Generator<Buffer, void, undefined> {
    let from = 0;
    for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, from)) {
      this.#hold(piece.subarray(from, at));
      from = at + 1;
      yield this.#take();
    }
    this.#hold(piece.subarray(from));
  }

  /** The last line, if it has no newline. */
  end(): Buffer | undefined {
    return this.#heldBytes === 0 ? undefined : this.#take();
  }

  #hold(part: Buffer): void {
    if (part.length === 0) return;
    if (this.#heldBytes + part.length > this.#lineBytesMax) throw new RangeError("the line is too long");
    this.#held.push(part);
    this.#heldBytes += part.length;
  }

  #take(): Buffer {
    const [first] = this.#held;
    const line = this.#held.length === 1 && first !== undefined ? first : Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    this.#count++;
    return line;
  }
}
