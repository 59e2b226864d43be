// Cuts a stream of bytes into lines, wherever the chunks end: within a line, within a character, between CR and LF. A line is
// bounded, so that a server that never sends its end can't fill the memory.
import { WherryError } from "@wherry/core";

const newline = 0x0a;

export class LineSplitter {
  readonly #lineBytesMax: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** True when the last line has no end yet. */
  get unfinished(): boolean {
    return this.#bytes > 0;
  }

  /**
   * The lines that this chunk finished, without their ends; blank ones left out.
   * @throws WherryError `KUBE_WATCH_LINE_TOO_LONG`
   */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      this.#keep(chunk.subarray(start, end));
      start = end + 1;
      const line = this.#take();
      if (line.trim() !== "") lines.push(line);
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return lines;
  }

  #keep(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#lineBytesMax)
      throw new WherryError(`expected watch events of at most ${this.#lineBytesMax} bytes, got a longer one`, {
        code: "KUBE_WATCH_LINE_TOO_LONG",
      });
    if (part.length > 0) this.#parts.push(part);
  }

  #take(): string {
    const line = Buffer.concat(this.#parts).toString("utf8");
    this.#parts = [];
    this.#bytes = 0;
    return line;
  }
}
