// A user's terminal for tests: the real `wherry` and the real kubectl, in a state folder of its own, as child processes.
// `close` stops what is left by pid, and removes the folder.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { kubectlPath } from "../../scripts/kubectl.mjs";

export const root: string = resolve(import.meta.dirname, "../..");
export const wherryBin: string = join(root, "packages/cli/bin/wherry.js");

/** Only what hangs takes this long. */
const patienceMs = 60_000;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs in the foreground; its output so far is at hand. */
export class Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  stdout = "";
  stderr = "";

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.finished = once(child, "close").then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  get output(): string {
    return this.stdout + this.stderr;
  }

  /** Waits until the output matches; fails with the output when the command ends first or time is up. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const deadlineMs = Date.now() + patienceMs;
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match;
      if (this.child.exitCode !== null || Date.now() > deadlineMs)
        throw new Error(`waiting for ${pattern}; exit code ${this.child.exitCode}; output:\n${this.output}`);
      await new Promise((wake) => setTimeout(wake, 20));
    }
  }

  async stop(signal: NodeJS.Signals = "SIGINT"): Promise<Finished> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.finished;
  }
}

export class Session {
  readonly home: string = mkdtempSync(join(tmpdir(), "wherry-e2e-"));
  readonly #running: Running[] = [];
  readonly #folders: string[] = [];

  get env(): NodeJS.ProcessEnv {
    return { ...process.env, WHERRY_HOME: this.home, NO_COLOR: "1", HOME: this.home };
  }

  get kubeconfig(): string {
    return join(this.home, "default", "kubeconfig");
  }

  /** A folder for the user's own files; gone with the session. */
  folder(name: string): string {
    const folder = mkdtempSync(join(tmpdir(), `wherry-${name}-`));
    this.#folders.push(folder);
    return folder;
  }

  start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    const child = spawn(command, args, { env: { ...this.env, ...env }, cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    const running = new Running(child);
    this.#running.push(running);
    return running;
  }

  /** `wherry ARGS…` in the foreground. */
  wherry(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    return this.start(process.execPath, [wherryBin, ...args], env);
  }

  /** `wherry ARGS…` to its end. */
  async run(...args: string[]): Promise<Finished> {
    return this.wherry(args).finished;
  }

  /** `kubectl ARGS…` to its end; throws when it fails. */
  async kubectl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryKubectl(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  async tryKubectl(...args: string[]): Promise<Finished> {
    return this.kubectlRunning(...args).finished;
  }

  kubectlRunning(...args: string[]): Running {
    return this.start(kubectlPath(), args, { KUBECONFIG: this.kubeconfig });
  }

  /** kubectl's JSON. */
  async get<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.kubectl("get", ...args, "-o", "json")) as T;
  }

  async status(): Promise<{ pid: number; server: string; kubeconfig: string }> {
    const { stdout } = await this.run("status", "--output", "json");
    return JSON.parse(stdout) as { pid: number; server: string; kubeconfig: string };
  }

  async close(): Promise<void> {
    for (const running of this.#running) await running.stop("SIGKILL");
    if (existsSync(join(this.home, "default"))) await this.wherry(["down"]).finished;
    chmodSync(this.home, 0o700);
    for (const folder of [this.home, ...this.#folders]) rmSync(folder, { recursive: true, force: true });
  }
}

export interface PodView {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly ready: boolean;
      readonly state: { readonly waiting?: { readonly reason: string; readonly message?: string } };
    }[];
  };
}

export const isReady = (pod: PodView): boolean =>
  pod.status.containerStatuses?.every((status) => status.ready) ?? false;

/** Processes whose environment names `folder`: what a cluster there has running. */
export function processesOf(folder: string, readable: readonly string[]): number[] {
  return readable
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(folder);
      } catch {
        return false;
      }
    })
    .map(Number);
}
