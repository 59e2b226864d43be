// Do containers of a daemon that is gone still run? By what the runtime wrote of them: asked when daemon.json, which says that
// there was one, is lost. It only reads, and needs no daemon.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bootId, isAlive, parseProcessRecord } from "../agent/runtime/supervisor.ts";
import type { ClusterPaths } from "./state.ts";

export function podsRun({ pods }: ClusterPaths): boolean {
  for (const uid of entries(pods)) {
    const containers = join(pods, uid, "containers");
    for (const container of entries(containers))
      for (const attempt of entries(join(containers, container)))
        if (runs(join(containers, container, attempt, "process"))) return true;
  }
  return false;
}

function runs(file: string): boolean {
  try {
    const record = parseProcessRecord(readFileSync(file, "latin1"));
    return record !== undefined && record.bootId === bootId() && isAlive(record.process);
  } catch {
    return false;
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
