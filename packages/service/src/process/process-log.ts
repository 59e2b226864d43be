// `log`, for code outside handlers: usable from the first line of a program, before `run` and without it. What is logged before
// there is a logger waits for it, a moment and so many records; what still waits when the process ends is written then. It
// loads no logger itself before the first record.
import { writeSync } from "node:fs";
import { basename } from "node:path";
import { isatty } from "node:tty";
import { type Clock, type Logger, SystemClock } from "@wherry/core";
import { readTextFile } from "../config/read-file.ts";
import { Resolver } from "../config/resolve.ts";
import { heldRecordsMax, heldRecordsMs } from "../limits.ts";
import { type Level, templated } from "../log/logger.ts";
import { readable } from "../log/readable.ts";
import type { Log, LogFields } from "../log/types.ts";
import { frameworkSettings } from "./config.ts";
import type { LoggingConfig, ProcessLog } from "./logging.ts";

interface Held {
  readonly level: Level;
  readonly fields: LogFields;
  readonly message: string;
  readonly timeMs: number;
}

class LateLog {
  #target: ProcessLog | undefined;
  #held: Held[] = [];
  #dropped = 0;
  readonly #clock: Clock = new SystemClock();
  #waiting = false;

  write(level: Level, fields: LogFields, message: string): void {
    if (this.#target !== undefined) this.#target.logger[level](fields, message);
    else if (this.#held.length >= heldRecordsMax) this.#dropped++;
    else {
      this.#held.push({ level, fields, message, timeMs: this.#clock.now() });
      this.#wait();
    }
  }

  isLevelEnabled(level: Level): boolean {
    return this.#target?.logger.isLevelEnabled(level) ?? true;
  }

  /** The first record before there is a logger: `run` comes soon, or it is a program without it. */
  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    process.once("exit", () => this.#writeHeld());
    this.#clock.timer(heldRecordsMs, () => void this.#withoutRun(), { background: true });
  }

  async #withoutRun(): Promise<void> {
    if (this.#isAttached()) return;
    const { createLogger } = await import("./logging.ts");
    const created = await createLogger(programName(), { ...lenientConfig(), logTo: ["stdout"] }, isatty(1));
    // `run` may have come meanwhile.
    if (!this.#isAttached()) this.attach(created);
  }

  #isAttached(): boolean {
    return this.#target !== undefined;
  }

  /** From here on records go to this logger; what waits goes first. */
  attach(target: ProcessLog): void {
    this.#target = target;
    const [held, dropped] = [this.#held, this.#dropped];
    this.#held = [];
    this.#dropped = 0;
    for (const { level, fields, message, timeMs } of held)
      target.at(timeMs, () => target.logger[level](fields, message));
    if (dropped > 0)
      target.logger.warn(
        { dropped },
        `${dropped} records before the start were dropped, of more than ${heldRecordsMax}`,
      );
  }

  /** The process ends before any logger came. */
  #writeHeld(): void {
    const levels = ["trace", "debug", "info", "warn", "error", "fatal"];
    const least = levels.indexOf(lenientConfig().logLevel);
    for (const { level, fields, message, timeMs } of this.#held) {
      if (levels.indexOf(level) < least) continue;
      const { err, ...rest } = fields;
      const error = err instanceof Error ? { err: { type: err.name, message: err.message, stack: err.stack } } : {};
      const record = {
        level,
        time: new Date(timeMs).toISOString(),
        service: programName(),
        ...rest,
        ...error,
        msg: message,
      };
      writeSync(1, `${JSON.stringify(readable(record))}\n`);
    }
    this.#held = [];
  }
}

const late = new LateLog();

/** What of the settings says how to log; `run` says what is wrong with the others. */
function lenientConfig(): LoggingConfig {
  const resolver = new Resolver(frameworkSettings, {
    argv: process.argv.slice(2),
    env: process.env,
    readFile: readTextFile,
  });
  const podName = process.env["POD_NAME"] === "" ? undefined : process.env["POD_NAME"];
  try {
    const logLevel = resolver.one("logLevel").value as LoggingConfig["logLevel"];
    return { logLevel, logTo: ["stdout"], podName };
  } catch {
    return { logLevel: "info", logTo: ["stdout"], podName };
  }
}

function programName(): string {
  return basename(process.argv[1] ?? "program").replace(/\.[cm]?[jt]s$/, "");
}

function boundTo(fields: LogFields): Logger {
  const at =
    (level: Level) =>
    (own: LogFields, message: string): void =>
      late.write(level, { ...fields, ...own }, message);
  const grave = { warn: at("warn"), error: at("error"), fatal: at("fatal") };
  const logger = { trace: at("trace"), debug: at("debug"), info: at("info"), ...grave };
  const child = (more: LogFields): Logger => boundTo({ ...fields, ...more });
  return { ...logger, child, isLevelEnabled: (level: Level) => late.isLevelEnabled(level) } as Logger;
}

/**
 * The process's log, for code outside handlers; in handlers `context.log` adds the request. Same level and sinks as `run`'s.
 * @example log.info("{bytes} bytes from {peer}", { bytes: 3, peer: "tcp://127.0.0.1:53211" })
 */
export const log: Log = templated(boundTo({}));

/** For `run`. */
export function attachLog(target: ProcessLog): void {
  late.attach(target);
}
