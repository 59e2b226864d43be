// The `process` runtime: a container is an operating-system process in its own session, under a supervisor that survives the
// daemon. It isolates nothing: the process runs as the user of the daemon. It never hands down the daemon's environment and
// never runs a shell line. Linux only: it reads /proc.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { asError, type Clock } from "@wherry/core";
import { execOutputBytesMax, startReportMs } from "../limits.ts";
import { checkExecutable, startFailed } from "./executable.ts";
import { killMarked, markerName } from "./escaped.ts";
import { ProcessContainer } from "./process-container.ts";
import {
  bootId,
  isAlive,
  type ProcessIdentity,
  parseExit,
  parseProcessRecord,
  parseStat,
  supervisorScript,
} from "./supervisor.ts";
import type { Container, ContainerSpec, ExecResult, Runtime } from "./types.ts";

export interface ProcessRuntimeOptions {
  readonly clock: Clock;
  /** A file that Node programs load first (see `preload.cjs`); absent: they get none. */
  readonly preload?: string;
}

export function processRuntime(options: ProcessRuntimeOptions): Runtime {
  return new ProcessRuntime(options);
}

class ProcessRuntime implements Runtime {
  readonly name = "process" as const;
  readonly #options: ProcessRuntimeOptions;
  readonly #bootId = bootId();

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
  }

  async start(spec: ContainerSpec): Promise<Container> {
    const env = this.#environment(spec);
    await checkExecutable(spec.argv[0] ?? "", env["PATH"] ?? "", spec.workingDir);
    const stdout = join(spec.folder, "stdout");
    const stderr = join(spec.folder, "stderr");
    const files = [openSync(stdout, "a", 0o600), openSync(stderr, "a", 0o600)];
    try {
      const child = spawn(
        "/bin/sh",
        ["-c", supervisorScript, "wherry", spec.folder, this.#bootId, ...withOddNames(spec.argv, env)],
        {
          cwd: spec.workingDir,
          env,
          detached: true,
          stdio: ["ignore", files[0], files[1], "pipe"],
        },
      );
      const process = await this.#started(child);
      return new ProcessContainer({
        id: spec.id,
        folder: spec.folder,
        clock: this.#options.clock,
        supervisor: { child },
        process,
        startedAtMs: this.#options.clock.now(),
      });
    } catch (error) {
      throw asStartError(error);
    } finally {
      for (const file of files) closeSync(file);
    }
  }

  async adopt(id: string, folder: string): Promise<Container | undefined> {
    const [record, exit] = await Promise.all([
      readFile(join(folder, "process"), "latin1").then(parseProcessRecord, () => undefined),
      readFile(join(folder, "exit"), "latin1").then(parseExit, () => undefined),
    ]);
    if (record === undefined && exit === undefined) {
      // The daemon died while it started this one: nobody can tell how far it came, so nothing of it may stay.
      await killMarked(id);
      return undefined;
    }
    const startedAtMs = (await stat(join(folder, record === undefined ? "exit" : "process"))).mtimeMs;
    const identity = record?.bootId === this.#bootId ? record.supervisor : undefined;
    const container = new ProcessContainer({
      id,
      folder,
      clock: this.#options.clock,
      supervisor: identity === undefined ? undefined : { identity },
      process: record?.process ?? { pid: 0, startTicks: "" },
      startedAtMs: Math.floor(startedAtMs),
    });
    // What is known to be dead must not pass for running, not even until that is noticed.
    const ended = exit !== undefined || identity === undefined || !isAlive(identity);
    // Its supervisor is about to say how it ended, unless it was stopped.
    const ending = record !== undefined && !isAlive(record.process);
    if (ending) container.killAll();
    if (ended || ending) await container.exited;
    return container;
  }

  async exec(spec: ContainerSpec, argv: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const env = this.#environment(spec);
    await checkExecutable(argv[0] ?? "", env["PATH"] ?? "", spec.workingDir);
    const [program = "", ...args] = argv;
    let child: ChildProcess;
    try {
      child = spawn(program, args, { cwd: spec.workingDir, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    } catch (error) {
      throw asStartError(error);
    }
    return await this.#finished(child, timeoutMs);
  }

  #environment(spec: ContainerSpec): NodeJS.ProcessEnv {
    const env: NodeJS.ProcessEnv = { ...spec.env, [markerName]: spec.id };
    const preload = this.#options.preload;
    if (preload !== undefined)
      env["NODE_OPTIONS"] = [env["NODE_OPTIONS"], `--require ${JSON.stringify(preload)}`].filter(Boolean).join(" ");
    return env;
  }

  /** The identity of the process, as its supervisor reports it right before it becomes the program. */
  async #started(child: ChildProcess): Promise<ProcessIdentity> {
    const pipe = child.stdio[3];
    if (pipe === null || pipe === undefined || !("setEncoding" in pipe))
      throw startFailed("no pipe from the supervisor", 128);
    pipe.setEncoding("latin1");
    child.unref();
    return await new Promise((resolve, reject) => {
      let text = "";
      const timer = this.#options.clock.timer(
        startReportMs,
        () =>
          finish(() =>
            reject(
              startFailed(`the supervisor did not report within ${startReportMs} ms: is the machine overloaded?`, 128),
            ),
          ),
        { background: true },
      );
      const finish = (settle: () => void): void => {
        timer.cancel();
        pipe.destroy();
        settle();
      };
      child.once("error", (error) => finish(() => reject(error)));
      pipe.once("close", () =>
        finish(() => reject(startFailed("the supervisor ended before it started the program", 128))),
      );
      pipe.on("error", () => undefined);
      pipe.on("data", (chunk: string) => {
        text += chunk;
        const identity = text.includes("\n") ? parseStat(text) : undefined;
        if (identity !== undefined) finish(() => resolve({ pid: identity.pid, startTicks: identity.startTicks }));
      });
    });
  }

  async #finished(child: ChildProcess, timeoutMs: number): Promise<ExecResult> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let timedOut = false;
    const take = (chunk: Buffer): void => {
      if (bytes < execOutputBytesMax) chunks.push(chunk.subarray(0, execOutputBytesMax - bytes));
      bytes += chunk.length;
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
    return await new Promise((resolve, reject) => {
      const killGroup = (): void => {
        try {
          if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
        } catch {
          // The group has ended by itself.
        }
      };
      const timer = this.#options.clock.timer(timeoutMs, () => {
        timedOut = true;
        killGroup();
      });
      child.once("error", (error) => {
        timer.cancel();
        reject(asStartError(error));
      });
      child.once("exit", (code, signal) => {
        timer.cancel();
        // Children that hold the pipes must not hold the probe; what they were is over with the command. A group without its
        // leader keeps its number reserved, so this can't hit anyone else.
        killGroup();
        setImmediate(() => {
          child.stdout?.destroy();
          child.stderr?.destroy();
          const exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
          resolve({ exitCode, output: Buffer.concat(chunks).toString("utf8"), timedOut });
        });
      });
    });
  }
}

/** A shell drops environment variables whose names aren't its own; `env` hands those few on. */
function withOddNames(argv: readonly string[], env: NodeJS.ProcessEnv): readonly string[] {
  const odd = Object.entries(env).filter(([name]) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  return odd.length === 0 ? argv : ["env", ...odd.map(([name, value]) => `${name}=${value ?? ""}`), ...argv];
}

function asStartError(thrown: unknown): Error {
  const error = asError(thrown);
  if ("code" in error && error.code === "RUNTIME_START_FAILED") return error;
  return startFailed(`the program can't be started: ${error.message}`, 128, error);
}

/** The preload as it is shipped beside this module; hand it to `processRuntime`. */
export const preloadFile: string = fileURLToPath(new URL("./preload.cjs", import.meta.url));
