// What the command line needs of a cluster without loading one: where its state is, who runs, how to be told that it is up,
// and which images there are. Light: no server, no store.
export type { KeptLog } from "../agent/logs/kept-logs.ts";
export type { DaemonOptions } from "./options.ts";
export { nodeImage, packageEntry } from "./images/project.ts";
export { type ImageRegistry, type RegisteredImage, readImageRegistry, registerImages } from "./images/registry.ts";
export { podsRun } from "./left-behind.ts";
export { daemonLimits } from "./limits.ts";
export { isLocked, removeState } from "./lock.ts";
export { isAlive, type ProcessIdentity, processStartTime, signalProcess } from "./process-identity.ts";
export { type Place, readPlace } from "./place.ts";
export { type DaemonReport, parseReport, reportFdVariable } from "./report.ts";
export {
  clusterNames,
  type ClusterPaths,
  clusterPaths,
  type DaemonInfo,
  prepareState,
  readDaemonInfo,
  readStateFile,
  runningDaemon,
  wherryHome,
  writeFileAtomic,
} from "./state.ts";

/** Logs of pods that are gone: for those who read them, and nobody else. */
export const loadKeptLogs = (): Promise<typeof import("../agent/logs/kept-logs.ts")> =>
  import("../agent/logs/kept-logs.ts");
