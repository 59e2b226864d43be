// Where a cluster is on this machine, and what it is made of: its slot of 127.0.0.0/8, its API's port, its nodes. Kept from
// start to start, so that addresses stay what they were, and pods find their nodes.
import { createHash } from "node:crypto";
import { type ClusterPaths, clusterNames, clusterPaths, readStateFile, writeFileAtomic } from "./state.ts";

export interface Place {
  readonly slot: number;
  readonly port: number;
  readonly nodes: number;
  readonly runtime: "process" | "simulated";
}

const slots = 254;

export function readPlace(paths: ClusterPaths): Place | undefined {
  try {
    const place = JSON.parse(readStateFile(paths.placeFile) ?? "null") as Partial<Place> | null;
    const { slot, port, nodes } = place ?? {};
    return [slot, port, nodes].every(Number.isInteger) ? (place as Place) : undefined;
  } catch {
    return undefined;
  }
}

export const writePlace = (paths: ClusterPaths, place: Place): void =>
  writeFileAtomic(paths.placeFile, `${JSON.stringify(place)}\n`);

/**
 * For a new cluster: one that no other cluster of the same home has, running or not, else the two could not run side by
 * side. Which one depends on the folder, so that clusters of different homes seldom meet.
 */
export function preferredSlot(paths: ClusterPaths): number {
  const taken = new Set(clusterNames(paths.home).map((name) => readPlace(clusterPaths(paths.home, name))?.slot));
  const start = createHash("sha256").update(paths.folder).digest().readUInt16BE();
  const order = Array.from({ length: slots }, (_, index) => 1 + ((start + index) % slots));
  return order.find((slot) => !taken.has(slot)) ?? 1 + (start % slots);
}
