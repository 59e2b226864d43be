// The daemon's own log: JSON records on stdout, written at once, so that the last one before a crash is there.
import type { Logger } from "@wherry/core";
import { destination, pino } from "pino";

export function createDaemonLog(level: "debug" | "info" | "warn" | "error"): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // No header and no token may get into a file that is pasted into a bug report.
    redact: ["token", "*.token", "headers.authorization", "*.headers.authorization"],
  };
  return pino(options, destination({ fd: 1, sync: true }));
}
