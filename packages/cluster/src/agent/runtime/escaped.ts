// Finds processes that left their container's process group (setsid, double fork) by a mark in their environment. It only
// ever kills what carries the mark of a container that has ended.
import { readdirSync, readFileSync } from "node:fs";

/** The variable that marks every process of a container with the container's id. */
export const markerName = "WHERRY_CONTAINER";

/** A process may fork while it is looked for; three rounds end whatever does not fork for ever. */
const roundsMax = 3;
/** Processes that are looked at before others get their turn: some 15 µs each. */
const processesPerTurn = 64;

interface Search {
  readonly ids: Set<string>;
  readonly done: Promise<void>;
}

/** The next look at /proc, which has not begun: whoever asks now shares it, so that a hundred pods end with a few looks. */
let next: Search | undefined;
let current: Promise<void> = Promise.resolve();

/** SIGKILL to every process of this user that carries the container's mark. Resolves when none is left. */
export async function killMarked(id: string): Promise<void> {
  if (next === undefined) {
    const ids = new Set<string>();
    const begin = current.then(async () => {
      next = undefined;
      await killAllMarked(ids);
    });
    current = begin;
    next = { ids, done: begin };
  }
  next.ids.add(id);
  await next.done;
}

async function killAllMarked(ids: ReadonlySet<string>): Promise<void> {
  for (let round = 0; round < roundsMax; round++) {
    const pids = await marked(ids);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended meanwhile.
      }
    }
  }
}

async function marked(ids: ReadonlySet<string>): Promise<readonly number[]> {
  const found: number[] = [];
  let looked = 0;
  for (const entry of listProcesses()) {
    if (++looked % processesPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    const id = markOf(entry);
    if (id !== undefined && ids.has(id)) found.push(Number(entry));
  }
  return found;
}

function listProcesses(): readonly string[] {
  try {
    return readdirSync("/proc").filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid);
  } catch {
    return [];
  }
}

/** The mark of a process that may be read; undefined for all others. */
function markOf(pid: string): string | undefined {
  let environ: string;
  try {
    environ = `\0${readFileSync(`/proc/${pid}/environ`, "latin1")}`;
  } catch {
    return undefined;
  }
  const start = environ.indexOf(`\0${markerName}=`);
  if (start < 0) return undefined;
  const value = start + markerName.length + 2;
  const end = environ.indexOf("\0", value);
  return environ.slice(value, end < 0 ? undefined : end);
}
