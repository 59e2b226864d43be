// The benchmark's child processes: started with a line of JSON, asked line by line, stopped by pid. None is left when this
// process ends: its exit stops them, by Ctrl-C too, and each ends with its stdin when this process is killed.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Command, Count, Memory, Ready, Setup, Spent } from "./types.ts";

/** From the start, or a command, to its line. */
const answerMs = 120_000;
/** From SIGTERM to SIGKILL. */
const graceMs = 1_000;

export class Child {
  readonly endpoint: string;
  readonly #process: ChildProcess;
  readonly #lines: Lines;

  constructor(child: ChildProcess, lines: Lines, { endpoint }: Ready) {
    this.#process = child;
    this.#lines = lines;
    this.endpoint = endpoint ?? "";
  }

  async count(command: Exclude<Command, { op: "memory" | "spent" }>): Promise<Count> {
    this.#say(command);
    return (await this.#lines.next()) as Count;
  }

  /** Processor time of all its threads so far, in steps of 10 ms; NaN where the platform does not tell (only Linux does). */
  cpuMs(): number {
    if (process.platform !== "linux") return NaN;
    // proc(5): after the name in parentheses come state, ppid, ...; user and system time are the 12th and 13th, in hundredths of a second.
    const fields = readFileSync(`/proc/${this.#process.pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  async memory(): Promise<Memory> {
    this.#say({ op: "memory" });
    return (await this.#lines.next()) as Memory;
  }

  async spent(): Promise<Spent> {
    this.#say({ op: "spent" });
    return (await this.#lines.next()) as Spent;
  }

  #say(command: Command): void {
    this.#process.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  async stop(): Promise<void> {
    await stop(this.#process);
  }
}

/** All children of one benchmark. */
export class Children {
  readonly #running = new Set<ChildProcess>();
  readonly #python: string | undefined;
  /** What one child has compiled the next need not: it starts in half the time. */
  readonly #cache: string = mkdtempSync(join(tmpdir(), "wherry-bench-zmtp-"));
  readonly #onSignal = (signal: NodeJS.Signals): void => process.exit(signal === "SIGINT" ? 130 : 143);
  /** However this process ends: by a signal, an error, or a pipe that closed. */
  readonly #onExit = (): void => {
    for (const child of this.#running) child.kill("SIGKILL");
    this.#removeCache();
  };

  /** Libraries that cannot be run on this machine. */
  readonly #missing: ReadonlySet<string>;

  /**
   * @param python one that can `import zmq`.
   * @param missing libraries that lack something here.
   */
  constructor(python: string | undefined, missing: readonly string[] = []) {
    this.#python = python;
    this.#missing = new Set(missing);
    process.once("exit", this.#onExit);
    process.once("SIGINT", this.#onSignal);
    process.once("SIGTERM", this.#onSignal);
  }

  /** Can that library be run on this machine? */
  has(library: string): boolean {
    return !this.#missing.has(library) && (library !== "pyzmq" || this.#python !== undefined);
  }

  /** @throws when the child ends, or says nothing for two minutes, instead of being ready. */
  async start(library: string, setup: Setup, nodeOptions: readonly string[] = []): Promise<Child> {
    const [command, args] =
      library === "pyzmq"
        ? [this.#python ?? "python3", [join(import.meta.dirname, "peers/pyzmq.py"), JSON.stringify(setup)]]
        : [process.execPath, [...nodeOptions, join(import.meta.dirname, "child.ts"), library, JSON.stringify(setup)]];
    const child = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NODE_COMPILE_CACHE: this.#cache },
    });
    this.#running.add(child);
    child.once("close", () => this.#running.delete(child));
    // What is said to a child that has ended; its end is told by its lines.
    child.stdin.on("error", () => undefined);
    const lines = new Lines(`${library} ${setup.role}`, child);
    return new Child(child, lines, (await lines.next()) as Ready);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map(stop));
    process.off("exit", this.#onExit);
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
    this.#removeCache();
  }

  #removeCache(): void {
    rmSync(this.#cache, { recursive: true, force: true });
  }
}

/** A child's answers, and how it failed. */
class Lines {
  readonly #name: string;
  readonly #answers: unknown[] = [];
  readonly #lines: Interface;
  #waiting: { resolve: (answer: unknown) => void; reject: (error: Error) => void } | undefined;
  #ended: Error | undefined;
  #errors = "";

  constructor(name: string, child: ChildProcess) {
    this.#name = name;
    if (child.stdout === null) throw new Error("a child is started with pipes");
    this.#lines = createInterface({ input: child.stdout });
    this.#lines.on("line", (line) => {
      const answer: unknown = JSON.parse(line);
      if (this.#waiting === undefined) this.#answers.push(answer);
      else this.#waiting.resolve(answer);
    });
    child.stderr
      ?.setEncoding("utf8")
      .on("data", (text: string) => (this.#errors = (this.#errors + text).slice(-4_096)));
    child.once("error", (error) => this.#end(error.message));
    child.once("close", (code, signal) => this.#end(`it ended with ${code ?? signal}: ${this.#errors.trim()}`));
  }

  async next(): Promise<unknown> {
    if (this.#answers.length > 0) return this.#answers.shift();
    if (this.#ended !== undefined) throw this.#ended;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting = { resolve, reject };
    const timer = setTimeout(() => reject(new Error(`${this.#name}: no answer in ${answerMs / 1_000} s`)), answerMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  #end(why: string): void {
    this.#ended ??= new Error(`${this.#name}: ${why}`);
    this.#waiting?.reject(this.#ended);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const closed = once(child, "close");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  await closed;
  clearTimeout(timer);
}
