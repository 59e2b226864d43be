// The tiny shell program that stands between the daemon and a container's process. It outlives the daemon, so that a
// container's exit code is known even if nobody was there. It never interprets what comes from a manifest: program and
// arguments are positional parameters.
import { readFileSync } from "node:fs";

/**
 * `$1` folder, `$2` boot id, `$3…` program and arguments. File descriptor 3 takes one line when the process is about to
 * become the program. In the folder: `process` (boot id, then the `/proc/<pid>/stat` lines of supervisor and process, whose start times
 * rule out a reused pid), and `exit` (the exit code, 128+n for a signal).
 *
 * The inner shell becomes the program by `exec`: it runs in the foreground, because a shell without job control starts background
 * commands with SIGINT ignored. Signals that a container sends to its own group must not end the supervisor, so they are
 * trapped; a trap, unlike "ignore", is not inherited. The last act, only as leader of its own session and group, ends whatever the container left in its group, and the
 * supervisor with it (as the end of a container's process 1 ends its pid namespace).
 */
export const supervisorScript: string = `
folder=$1 boot=$2; shift 2
IFS= read -r self <"/proc/$$/stat" || exit 125
exec 4>&2 2>/dev/null
trap : HUP INT QUIT TERM USR1 USR2 ALRM
/bin/sh -c '
IFS= read -r own <"/proc/$$/stat"
printf "%s\\n" "$2" "$3" "$own" >"$1/process"
printf "%s\\n" "$own" >&3
shift 3
umask 022
exec "$@" 2>&4 3>&- 4>&-
' sh "$folder" "$boot" "$self" "$@"
echo "$?" >"$folder/exit"
case $self in "$$ ("*") "*" $$ $$ "*) kill -KILL 0 ;; esac
`;

/** What identifies a process for ever: its pid, and when it was started (clock ticks since boot). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

/** Reads one line of `/proc/<pid>/stat` (proc(5)); undefined when it is none. The name in parentheses may hold anything. */
export function parseStat(
  line: string,
): (ProcessIdentity & { readonly group: number; readonly state: string }) | undefined {
  const close = line.lastIndexOf(")");
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(close + 2).split(" ");
  // Fields are counted from 1 in proc(5): 3 is the state, 5 the process group, 22 the start time.
  const [state, , group] = fields;
  const startTicks = fields[19];
  if (close < 0 || !Number.isInteger(pid) || state === undefined || group === undefined || startTicks === undefined)
    return undefined;
  return { pid, startTicks, group: Number(group), state };
}

/** Does exactly this process still run? A zombie does not. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = statOf(identity.pid);
  return now !== undefined && now.startTicks === identity.startTicks && now.state !== "Z" && now.state !== "X";
}

export function statOf(pid: number): ReturnType<typeof parseStat> {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return undefined;
  }
}

/** What the supervisor wrote at the start. */
export interface ProcessRecord {
  readonly bootId: string;
  readonly supervisor: ProcessIdentity;
  readonly process: ProcessIdentity;
}

export function parseProcessRecord(text: string): ProcessRecord | undefined {
  const [bootId, supervisorLine, processLine] = text.split("\n");
  const supervisor = parseStat(supervisorLine ?? "");
  const process = parseStat(processLine ?? "");
  if (bootId === undefined || supervisor === undefined || process === undefined) return undefined;
  return { bootId, supervisor, process };
}

/** Undefined while the code is not written completely. */
export function parseExit(text: string): number | undefined {
  const match = /^(\d{1,3})\n/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** Changes with each boot of the machine: pids and start ticks mean nothing beyond it. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "unknown";
  }
}
