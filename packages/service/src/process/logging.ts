// The process's logger: pino, JSON on stdout, for people on a terminal. Writes are synchronous, so that the last record before
// an exit is really written; there is no worker thread that could lose it.
import { pino } from "pino";
import type { ProcessConfig } from "./config.ts";

export type ProcessLogger = ReturnType<typeof pino>;

/** @param terminal whether stdout is one; only then are records written for people. */
export async function createLogger(
  service: string,
  config: Pick<ProcessConfig, "logLevel" | "podName">,
  terminal: boolean,
): Promise<ProcessLogger> {
  const options = {
    level: config.logLevel,
    base: { service, ...(config.podName === undefined ? {} : { pod: config.podName }) },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (!terminal) return pino(options, pino.destination({ fd: 1, sync: true }));
  const { prettyLine } = await import("./pretty.ts");
  const colour = (process.env["NO_COLOR"] ?? "") === "";
  const out = pino.destination({ fd: 1, sync: true });
  return pino(options, { write: (line) => out.write(prettyLine(line, colour)) });
}
