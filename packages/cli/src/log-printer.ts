// Lines of many pods' logs on the terminal: each after its pod's name, in the pod's own colour; records are made readable where a person
// looks. Knows nothing of where lines come from.
import { readable } from "./log-record.ts";
import type { Terminal } from "./terminal.ts";

/** What stands before a pod's lines; it grows with the longest of all. */
export type Prefix = () => string;

export class LogPrinter {
  readonly #terminal: Terminal;
  readonly #numbers = new Map<string, number>();
  #chars = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** @param uid the pod's, which its colour goes by */
  prefix(uid: string, text: string): Prefix {
    const number = this.#numbers.get(uid) ?? this.#numbers.size;
    this.#numbers.set(uid, number);
    this.#chars = Math.max(this.#chars, text.length);
    return () => this.#terminal.podStyle(number, `${text.padEnd(this.#chars)} │ `);
  }

  line(line: string, prefix: Prefix): void {
    const terminal = this.#terminal;
    for (const shown of terminal.interactive ? readable(line, terminal) : [terminal.clean(line)])
      terminal.out(prefix() + shown);
  }

  /** What happened between two lines: `── restart 1 ──`. */
  mark(what: string, prefix: Prefix): void {
    this.#terminal.out(prefix() + this.#terminal.style("dim", `── ${what} ──`));
  }

  /** What kept a log from being read. */
  problem(error: unknown, prefix: Prefix): void {
    this.#terminal.note(`${prefix()}${this.#terminal.clean(`(log: ${(error as Error).message})`)}`);
  }
}
