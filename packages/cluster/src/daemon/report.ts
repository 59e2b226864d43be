// How a daemon tells the process that started it how far it is: JSON lines on an inherited pipe, whose descriptor
// `WHERRY_REPORT_FD` names. Both ends are here. The pipe closing without `listening` means that the daemon died.
import { closeSync, writeSync } from "node:fs";
import type { DaemonInfo } from "./state.ts";

export const reportFdVariable = "WHERRY_REPORT_FD";

export type DaemonReport =
  /** The API answers, and the default namespace is there; controllers and agents are starting. */
  | { readonly type: "listening"; readonly info: DaemonInfo }
  /** It did not come up; nothing is left behind. */
  | { readonly type: "failed"; readonly code: string; readonly message: string };

/** Writes one report and closes the pipe. Nothing when nobody asked for it, or nobody listens any more. */
export function sendReport(report: DaemonReport, env: NodeJS.ProcessEnv = process.env): void {
  const fd = Number(env[reportFdVariable] || NaN);
  if (!Number.isInteger(fd) || fd < 3) return;
  // Used up: the descriptor may be another file's from now on.
  env[reportFdVariable] = "";
  try {
    writeSync(fd, `${JSON.stringify(report)}\n`);
    closeSync(fd);
  } catch {
    // The parent is gone: the daemon goes on all the same.
  }
}

/** @returns undefined when the text holds no whole report */
export function parseReport(text: string): DaemonReport | undefined {
  const end = text.indexOf("\n");
  return end < 0 ? undefined : (JSON.parse(text.slice(0, end)) as DaemonReport);
}
