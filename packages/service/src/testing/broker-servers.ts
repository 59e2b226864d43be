// Starts the real RabbitMQ and NATS servers of this machine for tests, each on free loopback ports with a folder of its own, and ends
// them by their own pid. Never used by a running service.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";

export interface BrokerServer {
  readonly url: string;
  /**
   * Ends it and starts it again on the same port and folder. SIGKILL: without a warning.
   * @param meanwhile what happens to its folder while it does not run
   */
  restart(signal: "SIGKILL" | "SIGTERM", meanwhile?: (folder: string) => void): Promise<void>;
  stop(): Promise<void>;
}

/** Why tests of a server are skipped, or undefined when it is installed. Said on stderr: a skip must not go unseen. */
export function missingServer(program: string, debianPackage: string): string | undefined {
  if (spawnSync("which", [program]).status === 0) return undefined;
  const reason = `${program} is not installed (Debian: apt-get install ${debianPackage})`;
  process.stderr.write(`SKIPPED: ${reason}\n`);
  return reason;
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
    restart: async (how, meanwhile) => {
      await endProgram(child, how);
      meanwhile?.(folder);
      child = await start();
    },
    stop: async () => {
      await endProgram(child, signal);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The name of NATS' configuration in its folder: it may be written anew while the server does not run. */
export const natsConfigFile = "nats.conf";

/** @param config beside its place and JetStream: users and their rights */
export async function startNats(config = ""): Promise<BrokerServer> {
  const folder = mkdtempSync(join(tmpdir(), "wherry-nats-"));
  const port = await freePort();
  const file = join(folder, natsConfigFile);
  writeFileSync(file, config);
  const command = ["nats-server", "-c", file, "-js", "-a", "127.0.0.1", "-p", String(port), "-sd", folder];
  const start = (): Promise<ChildProcess> =>
    startProgram(command, { PATH: process.env["PATH"] ?? "" }, /Server is ready/);
  return running(folder, `nats://127.0.0.1:${port}`, start, "SIGKILL");
}

/** RabbitMQ finds its port mapper running, and starts none of its own, which would stay behind. */
export async function startRabbit(): Promise<BrokerServer> {
  const folder = mkdtempSync(join(tmpdir(), "wherry-rabbit-"));
  const [port, distribution, mapper] = [await freePort(), await freePort(), await freePort()];
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    LANG: "C.UTF-8",
    ERL_EPMD_PORT: String(mapper),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: `wherry${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
    RABBITMQ_MNESIA_BASE: join(folder, "mnesia"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_LOGS: "-",
    RABBITMQ_PID_FILE: join(folder, "pid"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
    RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq"),
  };
  // In the foreground: it says nothing but to its debug log.
  const ports = await startProgram(
    ["epmd", "-d", "-port", String(mapper), "-address", "127.0.0.1"],
    env,
    /initializing|running|listen/i,
  );
  const start = (): Promise<ChildProcess> =>
    startProgram([rabbitProgram], env, /Server startup complete|completed with/);
  const server = await running(folder, `amqp://guest:guest@127.0.0.1:${port}`, start, "SIGKILL");
  const stop = async (): Promise<void> => {
    await server.stop();
    await endProgram(ports, "SIGKILL");
  };
  return { ...server, stop };
}

/** Not the script on the path, which changes to a user of its own when root calls it. */
export const rabbitProgram = "/usr/lib/rabbitmq/bin/rabbitmq-server";
