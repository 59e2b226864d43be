// What runs a container. `process` starts an OS process, `simulated` only says that it did. A runtime knows nothing of pods,
// probes or the API; it keeps what it needs in the container's folder, so that the next daemon finds what runs.

/** Everything a start needs, resolved: no references, no expansions left. */
export interface ContainerSpec {
  /** `<pod uid>/<container>/<attempt>`: unique for ever. */
  readonly id: string;
  /** Where the runtime keeps pid, exit and output of this instance; exists, 0700. */
  readonly folder: string;
  /** Program and arguments; never a shell line. */
  readonly argv: readonly string[];
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  /** The address that the container's programs may bind. */
  readonly podIP: string;
  /** What a simulated container does; absent in real ones. */
  readonly simulate?: { readonly exitCode?: number; readonly afterMs?: number };
}

export type ContainerState =
  | { readonly phase: "running"; readonly pid: number; readonly startedAtMs: number }
  | {
      readonly phase: "exited";
      readonly exitCode: number;
      /** The signal's number when one ended it. */
      readonly signal?: number;
      readonly startedAtMs: number;
      readonly finishedAtMs: number;
      /** False when the process vanished unseen and the code is a guess (137, reason ContainerStatusUnknown). */
      readonly known: boolean;
    };

export interface Container {
  readonly id: string;
  readonly state: ContainerState;
  /** Files that stdout and stderr are appended to; they grow while it runs. Undefined: no output. */
  readonly output: { readonly stdout: string; readonly stderr: string } | undefined;
  /** Resolves once it has exited, with the final state. */
  readonly exited: Promise<Extract<ContainerState, { phase: "exited" }>>;
  /** To the container's process (not its group). Nothing when it has exited. */
  signal(signal: "SIGTERM" | "SIGINT" | "SIGKILL" | NodeJS.Signals): void;
  /** SIGKILL to everything the container started that is still in its process group. */
  killAll(): void;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly output: string;
  readonly timedOut: boolean;
}

export interface Runtime {
  readonly name: "process" | "simulated";
  /** Resolves when it runs. @throws WherryError `RUNTIME_START_FAILED` with what to do; its `details.exitCode` is 127 or 126 */
  start(spec: ContainerSpec): Promise<Container>;
  /**
   * The container that an earlier daemon started in `folder`; undefined when there is none. One that has ended meanwhile is
   * `exited` already. Never signals a reused pid.
   */
  adopt(id: string, folder: string): Promise<Container | undefined>;
  /** Runs a command beside the container: exec probes. Output is cut at 10 KiB. */
  exec(spec: ContainerSpec, argv: readonly string[], timeoutMs: number): Promise<ExecResult>;
}
