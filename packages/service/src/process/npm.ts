// Under `npm start` a shell stands between npm and the service. npm hands SIGTERM to that shell alone, which dies of it and tells
// nobody. A service that lost its shell takes it for the signal; one that has a shell says how to do without.
import { readFileSync } from "node:fs";
import type { Clock } from "@wherry/core";
import { parentPollMs } from "../limits.ts";

/** What to say at the start, if the signals of npm won't come: undefined when there is no npm, or no shell in between. */
export function npmWarning(env: Readonly<Record<string, string | undefined>>, parentPid: number): string | undefined {
  const script = env["npm_lifecycle_event"];
  if (script === undefined || !isShell(parentPid)) return undefined;
  return `npm's shell keeps SIGTERM to itself; as a container's first process npm then ends without a drain: start node itself, or write "${script}": "exec node …"`;
}

/** Calls `gone` once, when the shell that npm started this process with has ended. @returns what stops looking. */
export function onShellGone(clock: Clock, gone: () => void): () => void {
  const parentPid = process.ppid;
  let timer = clock.timer(parentPollMs, look, { background: true });
  function look(): void {
    if (process.ppid === parentPid) timer = clock.timer(parentPollMs, look, { background: true });
    else gone();
  }
  return () => timer.cancel();
}

function isShell(pid: number): boolean {
  try {
    return /^(sh|dash|bash|ash|busybox|zsh)$/.test(readFileSync(`/proc/${pid}/comm`, "utf8").trim());
  } catch {
    // No /proc: then the parent's end is watched, in case.
    return true;
  }
}
