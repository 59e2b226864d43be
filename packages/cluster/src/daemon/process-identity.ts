// Is that pid still the process that we mean? A pid alone is reused; a pid with its start time is not.
import { readFileSync } from "node:fs";

export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot. Empty where there is no /proc. */
  readonly startTime: string;
}

/** The start time of a process that lives (a zombie doesn't), undefined otherwise. */
export function processStartTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return process.platform === "linux" || !isSignallable(pid) ? undefined : "";
  }
  // The second field is the program's name in parentheses and may hold anything, also ") ".
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

export const isAlive = (identity: ProcessIdentity): boolean => processStartTime(identity.pid) === identity.startTime;

export const ownIdentity = (): ProcessIdentity => ({
  pid: process.pid,
  startTime: processStartTime(process.pid) ?? "",
});

/** Sends a signal unless the process has gone or its pid now belongs to another. @returns whether it was sent */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (identity.pid <= 1 || !isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch {
    return false;
  }
}

function isSignallable(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
