// Starts the real RabbitMQ and NATS servers of this machine for tests, each on free loopback ports with a folder of its own, and ends
// them by their own pid. Never used by a running service.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface BrokerServer {
  readonly url: string;
  /** Ends it without a warning, and starts it again on the same port and folder. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Why tests of a server are skipped, or undefined when it is installed. Said on stderr: a skip must not go unseen. */
export function missingServer(program: string, debianPackage: string): string | undefined {
  if (spawnSync("which", [program]).status === 0) return undefined;
  const reason = `${program} is not installed (Debian: apt-get install ${debianPackage})`;
  process.stderr.write(`SKIPPED: ${reason}\n`);
  return reason;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves when the program has printed `ready`; rejects with all it said if it ends before. */
async function startProgram(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  ready: RegExp,
): Promise<ChildProcess> {
  const [program = "", ...args] = command;
  // A group of its own: RabbitMQ's script starts others.
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    const heard = (chunk: Buffer): void => {
      said += chunk.toString();
      if (ready.test(said)) resolve();
    };
    child.stdout.on("data", heard);
    child.stderr.on("data", heard);
    child.once("error", reject);
    child.once("close", (code, signal) => reject(new Error(`${program} ended with ${code ?? signal}: ${said}`)));
  });
  return child;
}

async function endProgram(child: ChildProcess, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  const ended = new Promise((resolve) => child.once("close", resolve));
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) process.kill(-child.pid, signal);
  else return;
  await ended;
}

async function running(
  folder: string,
  url: string,
  start: () => Promise<ChildProcess>,
  signal: "SIGKILL" | "SIGTERM",
): Promise<BrokerServer> {
  let child = await start();
  return {
    url,
    restart: async () => {
      await endProgram(child, "SIGKILL");
      child = await start();
    },
    stop: async () => {
      await endProgram(child, signal);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function startNats(): Promise<BrokerServer> {
  const folder = mkdtempSync(join(tmpdir(), "wherry-nats-"));
  const port = await freePort();
  const command = ["nats-server", "-js", "-a", "127.0.0.1", "-p", String(port), "-sd", folder];
  const start = (): Promise<ChildProcess> =>
    startProgram(command, { PATH: process.env["PATH"] ?? "" }, /Server is ready/);
  return running(folder, `nats://127.0.0.1:${port}`, start, "SIGKILL");
}
