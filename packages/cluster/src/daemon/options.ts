// What a daemon is started with. It travels as JSON on the daemon's command line: no secrets in it.

export interface DaemonOptions {
  readonly home: string;
  readonly name: string;
  /** Default: as many as it had, at first 1. */
  readonly nodes?: number;
  /** Default: the one it had, at first `process`. */
  readonly runtime?: "process" | "simulated";
  /** Keeps nothing: the store is in memory, and the state folder goes with the daemon. */
  readonly ephemeral?: boolean;
  /** The API server's port. Default: the one it had before if it is free, else any free one. */
  readonly port?: number;
  readonly logLevel?: "debug" | "info" | "warn" | "error";
}
