// Runs a service as a real process, for tests: reads its log records, waits for it to listen, and never leaves one behind.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const packageFolder = fileURLToPath(new URL("../..", import.meta.url));
export const echoProgram: string = fileURLToPath(new URL("../../../../examples/echo/echo.ts", import.meta.url));

type LogRecord = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg: string };

interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface Child {
  readonly process: ChildProcess;
  /** Lines of stdout that are JSON. */
  readonly records: LogRecord[];
  /** Lines of stdout that are not. */
  readonly other: string[];
  /** All of stderr so far. */
  stderr(): string;
  /** Its addresses, once it listens; rejects with everything it said if it ends first. */
  readonly listening: Promise<{ readonly endpoint: string; readonly admin: string }>;
  readonly exit: Promise<Exit>;
}

export interface ChildOptions {
  /** TypeScript to run, instead of the echo example; it may import `@wherry/service`. */
  readonly program?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs the program, and its arguments. */
  readonly as?: readonly string[];
}

const running = new Set<ChildProcess>();

/** Starts a service on free ports. */
export function startChild(options: ChildOptions = {}): Child {
  const { program, args = ["--port", "0", "--admin-port", "0"], env = {}, as = [] } = options;
  const code =
    program === undefined ? [echoProgram] : ["--input-type=module-typescript", "--eval", program, "--", "program"];
  const [command = "", ...rest] = [...as, process.execPath, ...code, ...args];
  const child = spawn(command, rest, {
    cwd: packageFolder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], ...env },
  });
  running.add(child);
  const records: LogRecord[] = [];
  const other: string[] = [];
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const listening = Promise.withResolvers<{ readonly endpoint: string; readonly admin: string }>();
  listening.promise.catch(() => undefined);
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (!line.startsWith("{")) return other.push(line);
    const record = JSON.parse(line) as LogRecord;
    records.push(record);
    const { endpoint, admin } = record;
    if (typeof endpoint === "string" && typeof admin === "string") listening.resolve({ endpoint, admin });
    return undefined;
  });
  const exit = new Promise<Exit>((resolve) => {
    // `close`, not `exit`: everything it wrote has been read.
    child.once("close", (code, signal) => {
      running.delete(child);
      listening.reject(new Error(`ended with ${String(code ?? signal)}: ${JSON.stringify(records)} ${stderr}`));
      resolve({ code, signal });
    });
  });
  return { process: child, records, other, stderr: () => stderr, listening: listening.promise, exit };
}

/** Ends what a test left running, by its own pid. */
export async function stopChildren(): Promise<void> {
  const children = [...running];
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => new Promise((resolve) => child.once("close", resolve))));
}
