// The process's log: pino, JSON on stdout, for people on a terminal, and to aggregators. Loaded after the signal handlers stand.
import { type Clock, type Logger, type Random, SystemClock, SystemRandom } from "@wherry/core";
import { pino } from "pino";
import { LogOutput } from "../log/output.ts";
import { readableError } from "../log/readable.ts";
import type { ProcessConfig } from "./config.ts";

/** What of pino's logger is used. */
interface ProcessLogger extends Logger {
  readonly trace: Logger["debug"];
  readonly fatal: Logger["error"];
  isLevelEnabled(level: string): boolean;
}

export interface ProcessLog {
  readonly logger: ProcessLogger;
  readonly output: LogOutput;
  /** Records that are written inside `write` get this time: they were logged before there was a log. */
  at(timeMs: number, write: () => void): void;
}

export type LoggingConfig = Pick<ProcessConfig, "logLevel" | "logTo" | "podName"> &
  Partial<Pick<ProcessConfig, "logAuthorization" | "logSharedKey" | "logGzip">>;

/**
 * @param terminal whether stdout is one; only then are records written for people.
 * @throws WherryError SERVICE_CONFIG_INVALID for a sink's URL that names no place.
 */
export async function createLogger(
  service: string,
  config: LoggingConfig,
  terminal: boolean,
  clock: Clock = new SystemClock(),
  random: Random = new SystemRandom(),
): Promise<ProcessLog> {
  const [aggregators, writeStdout] = await Promise.all([
    aggregatorsOf(service, config, random),
    stdoutWriter(terminal),
  ]);
  const stdout = config.logTo.includes("stdout") || aggregators.length === 0;
  const output = new LogOutput({ clock, random, stdout, writeStdout, aggregators });
  let timeMs: number | undefined;
  const options = {
    level: config.logLevel,
    base: { service, ...(config.podName === undefined ? {} : { pod: config.podName }) },
    timestamp: () => `,"time":"${new Date(timeMs ?? clock.now()).toISOString()}"`,
    serializers: { err: shownError },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(options, output);
  output.warn = (fields, message) => logger.warn(fields, message);
  const at = (then: number, write: () => void): void => {
    timeMs = then;
    try {
      write();
    } finally {
      timeMs = undefined;
    }
  };
  return { logger, output, at };
}

/** pino's, unless the error cannot be looked at: its getters are the program's own. */
export function shownError(error: Error): unknown {
  try {
    return pino.stdSerializers.err(error);
  } catch {
    return readableError(error);
  }
}

async function stdoutWriter(terminal: boolean): Promise<(line: string) => void> {
  const out = pino.destination({ fd: 1, sync: true });
  if (!terminal) return (line) => void out.write(line);
  const { prettyLine } = await import("./pretty.ts");
  const colour = (process.env["NO_COLOR"] ?? "") === "";
  return (line) => void out.write(prettyLine(line, colour));
}

async function aggregatorsOf(service: string, config: LoggingConfig, random: Random) {
  const targets = config.logTo.filter((target) => target !== "stdout");
  if (targets.length === 0) return [];
  const { aggregatorOf } = await import("../log/targets.ts");
  const { logAuthorization: authorization, logSharedKey: sharedKey, logGzip: gzip = false } = config;
  return targets.map((target) => aggregatorOf(target, { service, authorization, sharedKey, gzip, random }));
}
