// One container of the process runtime, started by this daemon or by an earlier one. It never signals a reused pid: a process is
// known by pid and start time.
import type { ChildProcess } from "node:child_process";
import { type FSWatcher, watch } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "@wherry/core";
import { adoptedCheckIntervalMs } from "../limits.ts";
import { descendantsOf } from "./descendants.ts";
import { killMarked } from "./escaped.ts";
import { isAlive, type ProcessIdentity, parseExit } from "./supervisor.ts";
import type { Container, ContainerState } from "./types.ts";

type Exited = Extract<ContainerState, { phase: "exited" }>;

export interface ProcessContainerOptions {
  readonly id: string;
  readonly folder: string;
  readonly clock: Clock;
  /** Our own child, or one known by identity only; undefined: it can't run any more. */
  readonly supervisor: { readonly child: ChildProcess } | { readonly identity: ProcessIdentity } | undefined;
  readonly process: ProcessIdentity;
  readonly startedAtMs: number;
}

/** What SIGKILL's exit code is to Kubernetes, and the guess for what vanished unseen. */
const killedExitCode = 137;

export class ProcessContainer implements Container {
  readonly id: string;
  readonly output: { readonly stdout: string; readonly stderr: string };
  readonly exited: Promise<Exited>;
  readonly #options: ProcessContainerOptions;
  #state: ContainerState;
  #resolve: (state: Exited) => void = () => undefined;
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;
  #ending = false;
  /** What ran below the container when it was last sent a signal. Its mark can be taken off, its parent can't while that lives. */
  #descendants: readonly ProcessIdentity[] = [];

  constructor(options: ProcessContainerOptions) {
    this.id = options.id;
    this.#options = options;
    this.output = { stdout: join(options.folder, "stdout"), stderr: join(options.folder, "stderr") };
    this.#state = { phase: "running", pid: options.process.pid, startedAtMs: options.startedAtMs };
    this.exited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#observe();
  }

  get state(): ContainerState {
    return this.#state;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#state.phase !== "running" || !isAlive(this.#options.process)) return;
    const { pid } = this.#options.process;
    this.#descendants = descendantsOf(pid);
    send(pid, signal);
  }

  killAll(): void {
    // The supervisor notices the end of its process, records it and ends the rest of the group.
    this.signal("SIGKILL");
    // One that was stopped together with its container (kill -STOP 0) would never notice.
    this.#continueSupervisor();
  }

  #continueSupervisor(): void {
    const { supervisor } = this.#options;
    if (supervisor === undefined || this.#state.phase !== "running") return;
    if ("child" in supervisor) supervisor.child.kill("SIGCONT");
    else if (isAlive(supervisor.identity)) send(supervisor.identity.pid, "SIGCONT");
  }

  #observe(): void {
    const supervisor = this.#options.supervisor;
    if (supervisor !== undefined && "child" in supervisor) {
      if (supervisor.child.exitCode !== null || supervisor.child.signalCode !== null) void this.#end();
      else supervisor.child.once("exit", () => void this.#end());
    } else if (supervisor === undefined) void this.#end();
    else this.#watchAdopted(supervisor.identity);
  }

  /** An adopted supervisor is nobody's child: its exit file is watched, and its life looked at now and then. */
  #watchAdopted(supervisor: ProcessIdentity): void {
    const check = (): void => {
      if (isAlive(supervisor))
        this.#timer = this.#options.clock.timer(adoptedCheckIntervalMs, check, { background: true });
      else void this.#end();
    };
    try {
      this.#watcher = watch(this.#options.folder, { persistent: false }, (_event, file) => {
        if (file === "exit") void this.#endIfRecorded();
      });
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch {
      // Without a watch (inotify limits) the check below still notices.
    }
    void this.#endIfRecorded();
    check();
  }

  async #endIfRecorded(): Promise<void> {
    if ((await this.#recordedExit()) !== undefined) await this.#end();
  }

  async #recordedExit(): Promise<{ readonly code: number; readonly atMs: number } | undefined> {
    const file = join(this.#options.folder, "exit");
    const code = await readFile(file, "latin1").then(parseExit, () => undefined);
    if (code === undefined) return undefined;
    return {
      code,
      atMs: await stat(file).then(
        (found) => Math.floor(found.mtimeMs),
        () => this.#options.clock.now(),
      ),
    };
  }

  async #end(): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    this.#timer?.cancel();
    this.#watcher?.close();
    const recorded = await this.#recordedExit();
    // A supervisor that was killed leaves its container behind; nobody would ever learn how that one ends.
    if (recorded === undefined && this.#options.supervisor !== undefined) this.#killGroup();
    await killMarked(this.id);
    for (const descendant of this.#descendants) if (isAlive(descendant)) send(descendant.pid, "SIGKILL");
    const exitCode = recorded?.code ?? killedExitCode;
    const state: Exited = {
      phase: "exited",
      exitCode,
      startedAtMs: this.#options.startedAtMs,
      finishedAtMs: Math.max(recorded?.atMs ?? this.#options.clock.now(), this.#options.startedAtMs),
      known: recorded !== undefined,
    };
    this.#state = state;
    this.#resolve(state);
  }

  #killGroup(): void {
    if (!isAlive(this.#options.process)) return;
    send(this.#options.process.pid, "SIGKILL");
    const supervisor = this.#options.supervisor;
    const group =
      supervisor === undefined ? undefined : "child" in supervisor ? supervisor.child.pid : supervisor.identity.pid;
    // Its member lived a moment ago, so the group's number can't have been given to anyone else.
    if (group !== undefined && group > 1) send(-group, "SIGKILL");
  }
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch {
    // ESRCH: it has just ended.
  }
}
