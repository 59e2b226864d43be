// Finds processes that left their container's process group (setsid, double fork) by a mark in their environment. It only
// ever kills what carries the mark of a container that has ended.
import { readdir, readFile } from "node:fs/promises";

/** The variable that marks every process of a container with the container's id. */
export const markerName = "WHERRY_CONTAINER";

/** A process may fork while it is looked for; three rounds end whatever does not fork for ever. */
const roundsMax = 3;

/** SIGKILL to every process of this user that carries the container's mark. Answers how many there were. */
export async function killMarked(id: string): Promise<number> {
  let killed = 0;
  for (let round = 0; round < roundsMax; round++) {
    const pids = await marked(id);
    if (pids.length === 0) break;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
        killed++;
      } catch {
        // It ended meanwhile.
      }
    }
  }
  return killed;
}

async function marked(id: string): Promise<readonly number[]> {
  const mark = Buffer.from(`\0${markerName}=${id}\0`);
  const pids: number[] = [];
  for (const entry of await readdir("/proc").catch(() => [])) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const environ = await readFile(`/proc/${pid}/environ`).catch(() => undefined);
    if (environ !== undefined && Buffer.concat([Buffer.from("\0"), environ]).includes(mark)) pids.push(pid);
  }
  return pids;
}
