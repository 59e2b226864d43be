// Where a start's time goes, for the benchmark: with WHERRY_TIMINGS set, one line on stderr at the end.
import type { Context } from "./context.ts";

export class Timings {
  readonly #steps: Record<string, number> = {};

  /** A step is done. Milliseconds since this process was started. */
  mark(step: string): void {
    this.#steps[step] = Math.round(process.uptime() * 1000);
  }

  print({ env, terminal }: Context): void {
    if (env["WHERRY_TIMINGS"] !== undefined) terminal.note(`timings ${JSON.stringify(this.#steps)}`);
  }
}
