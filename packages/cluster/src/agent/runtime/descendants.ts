// What a process has started, and what that has started in turn, by the kernel's own lists of children: the cost is that of the
// tree, not of the machine. It sends no signal.
import { readdirSync, readFileSync } from "node:fs";
import { descendantsMax } from "../limits.ts";
import { type ProcessIdentity, statOf } from "./supervisor.ts";

/** Empty where the kernel keeps no such lists (CONFIG_PROC_CHILDREN). Whose parent has ended is nobody's descendant any more. */
export function descendantsOf(pid: number): readonly ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  for (const waiting = [pid]; waiting.length > 0; ) {
    for (const child of childrenOf(waiting.pop() ?? 0)) {
      const identity = statOf(child);
      if (identity === undefined) continue;
      found.push({ pid: identity.pid, startTicks: identity.startTicks });
      waiting.push(child);
      if (found.length >= descendantsMax) return found;
    }
  }
  return found;
}

/** Of all its threads: each has the children that it started. */
function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1")
        .split(" ")
        .filter((child) => child !== "")
        .map(Number),
    );
  } catch {
    // It ended meanwhile.
    return [];
  }
}
