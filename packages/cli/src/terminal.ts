// Where a command writes: results on stdout, everything else on stderr, colours only where a person looks. Text that comes
// from the cluster can't move the cursor or recolour the screen: escape sequences are shown, not sent.
import type { Writable } from "node:stream";

export interface TerminalOptions {
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How this command was called; default `wherry`. */
  readonly self?: string;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow";

const codes: Readonly<Record<Style, string>> = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33" };
/** 256-colour codes that read on dark and light grounds; one a pod, in turn. */
const podColours = [39, 208, 71, 170, 178, 69, 167, 37, 135, 108] as const;

export class Terminal {
  readonly #options: TerminalOptions;
  #progress = "";
  /** A person reads stdout. */
  readonly interactive: boolean;
  readonly colour: boolean;

  /** Characters in a line of the result; where nobody looks, as many as it likes: programs read lines. */
  get columns(): number {
    return this.interactive ? (this.#options.stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
  }

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.interactive = options.stdout.isTTY === true;
    const { NO_COLOR, FORCE_COLOR, TERM } = options.env;
    const forced = FORCE_COLOR !== undefined && FORCE_COLOR !== "" && FORCE_COLOR !== "0";
    this.colour = !NO_COLOR && (forced || (this.interactive && TERM !== "dumb"));
  }

  /** A line of the result. */
  out(line: string): void {
    this.#options.stdout.write(`${line}\n`);
  }

  /** A line of one of many results: resolves when the next may follow, or nobody wants it any more. */
  async outWhenTaken(line: string, signal: AbortSignal): Promise<void> {
    const { stdout } = this.#options;
    if (stdout.write(`${line}\n`) || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const taken = (): void => {
        stdout.off("drain", taken);
        signal.removeEventListener("abort", taken);
        resolve();
      };
      stdout.once("drain", taken);
      signal.addEventListener("abort", taken, { once: true });
    });
  }

  /** Result text as it is, without a line's end. */
  raw(text: string | Uint8Array): void {
    this.#options.stdout.write(text);
  }

  /** A line of anything else: progress, warnings, errors. */
  note(line: string): void {
    this.#options.stderr.write(`${asCalled(line, this.#options.self)}\n`);
  }

  /** A line on stderr that the next one writes over; nothing where nobody looks. Empty: takes the last one away. */
  progress(line: string): void {
    if (this.#options.stderr.isTTY !== true || !this.colour || line === this.#progress) return;
    this.#progress = line;
    this.#options.stderr.write(`\r\u001b[K${line === "" ? "" : this.style("dim", visible(line))}`);
  }

  style(style: Style, text: string): string {
    return this.colour ? `\u001b[${codes[style]}m${text}\u001b[0m` : text;
  }

  /** The same colour for the same number. */
  podStyle(number: number, text: string): string {
    const colour = podColours[number % podColours.length] ?? podColours[0];
    return this.colour ? `\u001b[38;5;${colour}m${text}\u001b[0m` : text;
  }

  /** Text from the cluster: made harmless where a terminal would act on it, else as it came. */
  clean(text: string): string {
    return this.interactive || this.#options.stderr.isTTY === true ? visible(text) : text;
  }
}

/** Commands to try, as whoever reads them has to type them: `"npx wherry down"` where there is no `wherry` in reach. */
function asCalled(text: string, self = "wherry"): string {
  return self === "wherry" ? text : text.replaceAll(/(?<=["`]|: )wherry (?=[a-z-])/g, `${self} `);
}

/** Control characters but newline and tab, shown as `\x1b`. Also those of Unicode that reorder text. */
export function visible(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => {
      const code = character.charCodeAt(0);
      return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
    },
  );
}

/** Lines of at most `columns` characters, broken between words; a word that is longer stays whole. @param indent of all but the first */
export function wrap(text: string, columns: number, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const piece of text.split(/(?<=\S)(?=\s)/)) {
    if (line !== "" && line.length + piece.length > columns) {
      lines.push(line);
      line = indent + piece.trimStart();
    } else line += piece;
  }
  return [...lines, line];
}

/** Columns of text, two blanks apart; the last one is not padded. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  return rows.map((row) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 2))).join(""),
  );
}
