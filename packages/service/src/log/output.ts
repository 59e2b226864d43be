// Where pino's lines go: stdout, sinks, or both. Writes to stdout are synchronous, so that the last record before an exit is
// really written; a fatal record goes there in any case, whatever the sinks do.
import type { Clock, Random } from "@wherry/core";
import { sinkFlushMs } from "../limits.ts";
import { Sink, type SinkCounters } from "./sink.ts";
import type { Aggregator } from "./types.ts";

export interface OutputOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Whether stdout gets every record, or only what no sink takes. */
  readonly stdout: boolean;
  readonly writeStdout: (line: string) => void;
  readonly aggregators: readonly Aggregator[];
}

/** What the log has done so far, for the metrics. */
export interface LogCounters {
  readonly levels: Readonly<Record<string, number>>;
  readonly sinks: readonly (SinkCounters & { readonly name: string; readonly isUp: boolean; readonly held: number })[];
}

/** pino's numbers. */
const levels: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};
const [warnLevel, errorLevel, fatalLevel] = [40, 50, 60];

export class LogOutput {
  /** Set by pino before each write. */
  lastLevel = 30;
  /** The log on top of this output, for what the sinks have to say. */
  warn: (fields: Readonly<Record<string, unknown>>, message: string) => void = () => undefined;
  readonly #levels: Record<string, number> = Object.fromEntries(Object.values(levels).map((level) => [level, 0]));
  readonly #options: OutputOptions;
  readonly #sinks: readonly Sink[];

  constructor(options: OutputOptions) {
    this.#options = options;
    // Asks pino to do so.
    Object.defineProperty(this, Symbol.for("pino.metadata"), { value: true });
    const { clock, random, aggregators, writeStdout } = options;
    this.#sinks = aggregators.map(
      (aggregator) =>
        new Sink(aggregator, {
          ...{ clock, random },
          spill: (line) => writeStdout(`${line}\n`),
          warn: (fields, message) => this.warn(fields, message),
        }),
    );
  }

  /** pino's line, with its newline. */
  write(line: string): void {
    this.#take(line, this.lastLevel, this.#options.stdout || this.lastLevel >= fatalLevel);
  }

  /** A record that another thread wrote to stdout already. */
  takeWritten(line: string): void {
    this.#count(warnLevel);
    for (const sink of this.#sinks) sink.offer(line.trimEnd(), true, true);
  }

  #take(line: string, level: number, stdout: boolean): void {
    this.#count(level);
    // Before the sinks: one that is full or down may spill it, and must not be the only one who had it.
    if (stdout) this.#options.writeStdout(line);
    if (this.#sinks.length === 0) return;
    const bare = line.trimEnd();
    for (const [index, sink] of this.#sinks.entries()) sink.offer(bare, stdout || index > 0, level >= errorLevel);
  }

  #count(level: number): void {
    const name = levels[level] ?? "info";
    this.#levels[name] = (this.#levels[name] ?? 0) + 1;
  }

  get counters(): LogCounters {
    const sinks = this.#sinks.map((sink) => ({ ...sink.counters, name: sink.name, isUp: sink.isUp, held: sink.held }));
    return { levels: this.#levels, sinks };
  }

  get hasSinks(): boolean {
    return this.#sinks.length > 0;
  }

  /** The sinks get a moment to send what they have; what they don't is on stdout afterwards. Never rejects. */
  async close(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.close(sinkFlushMs)));
  }

  /** The same, without the moment: the process is ending in this turn. */
  closeNow(): void {
    for (const sink of this.#sinks) sink.spillAll();
  }
}
