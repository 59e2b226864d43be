// Asks a program which services it runs and on which ports: starts it as a pod would be, with the framework's word that makes it say so and
// end (`--describe`). Only for programs whose services can't be read off their text: asking costs what starting costs.
import { execFile } from "node:child_process";
import type { RegisteredImage } from "@wherry/cluster/state";
import { CliError, usageError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import { explainLog } from "./explain.ts";

export interface Listening {
  readonly services: readonly {
    readonly name: string;
    readonly port: number;
    /** Null: no HTTP. */
    readonly httpPort: number | null;
  }[];
  readonly adminPort: number;
}

/** This machine's, and none of the pod's. */
const notThePods = ["PORT", "ADMIN_PORT", "HTTP_PORT", "HOST", "POD_IP"];

/** @param shown the program as the user named it. @throws CliError with what the program said instead */
export async function askProgram(
  { entrypoint, cmd, env, workingDir }: RegisteredImage,
  shown: string,
  own: NodeJS.ProcessEnv,
): Promise<Listening> {
  const [command = "", ...args] = [...entrypoint, ...cmd];
  const inherited = Object.entries(own).filter(([name]) => !notThePods.includes(name));
  const { failure, stdout, stderr } = await output(command, args, {
    cwd: workingDir,
    env: { ...Object.fromEntries(inherited), ...env, WHERRY_DESCRIBE: "true" },
  });
  const line = stdout.split("\n").findLast((candidate) => candidate.startsWith('{"services":'));
  if (line === undefined) throw noAnswer(shown, failure, stdout + stderr);
  const listening = JSON.parse(line) as Listening;
  const anyPort = listening.services.find(({ port, httpPort }) => port === 0 || httpPort === 0);
  if (anyPort !== undefined || listening.adminPort === 0)
    throw usageError(
      `${shown}: ${anyPort === undefined ? "the admin port" : `service "${anyPort.name}"`} is on any free port, which no manifest can name: choose one that is not 0`,
    );
  return listening;
}

interface Output {
  readonly failure: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function output(
  command: string,
  args: readonly string[],
  at: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<Output> {
  return new Promise((resolve) => {
    const limits = {
      timeout: cliLimits.askTimeoutMs,
      maxBuffer: cliLimits.askBytesMax,
      killSignal: "SIGKILL",
    } as const;
    const child = execFile(command, args, { ...at, ...limits }, (error, stdout, stderr) => {
      resolve({ failure: error === null ? undefined : failureOf(error), stdout, stderr });
    });
    child.stdin?.end();
  });
}

function failureOf({
  code,
  signal,
  killed,
  message,
}: Error & { code?: unknown; signal?: unknown; killed?: boolean }): string {
  if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return "it said too much";
  if (killed === true) return `it did not within ${cliLimits.askTimeoutMs / 1000} s`;
  if (typeof code === "number") return `it ended with code ${code}`;
  return typeof signal === "string" ? `it ended by ${signal}` : message;
}

function noAnswer(shown: string, failure: string | undefined, said: string): CliError {
  const lines = said.trim() === "" ? [] : said.trim().split("\n");
  const why = failure ?? "it ended without calling run()";
  const head = `${shown} looks as if it ran several services, and was asked which, by starting it with WHERRY_DESCRIBE=true: ${why}`;
  return new CliError([head, ...explainLog(lines)].join("\n"));
}
