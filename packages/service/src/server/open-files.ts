// How many connections the ports of a service may take together: each is an open file, of which a process may have so many and no more. A
// port that took more would find out by its accept failing, for everybody; below that bound, no host gets all of them (party.ts).
import { readFileSync } from "node:fs";
import { httpConnectionsMax, openFilesReserve, peersMax } from "../limits.ts";

export interface ConnectionsMax {
  readonly messaging: number;
  readonly http: number;
}

/**
 * @param services of this process, each with ports of its own
 * @param openFiles that the process may have
 */
export function connectionsMax(withHttp: boolean, services = 1, openFiles: number = openFilesMax()): ConnectionsMax {
  const left = Math.max(2, Math.floor((openFiles - openFilesReserve) / services));
  const http = withHttp ? Math.min(httpConnectionsMax, Math.floor(left / 2)) : 0;
  return { messaging: Math.min(peersMax, left - http), http };
}

/** Of this process, as Linux says it. Elsewhere unknown, and taken for enough. */
function openFilesMax(): number {
  try {
    const [, max = ""] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    return max === "" ? Infinity : Number(max);
  } catch {
    return Infinity;
  }
}
