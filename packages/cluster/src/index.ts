// A Kubernetes cluster in one process. The command line starts it as a process (`./daemon`); a test starts it in its own.
export { type Daemon, type DaemonEnvironment, startDaemon } from "./daemon/daemon.ts";
export type { DaemonOptions } from "./daemon/options.ts";
export type { ClusterPaths, DaemonInfo } from "./daemon/state.ts";
