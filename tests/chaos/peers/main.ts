// `npm run chaos:peers`: the same misfortunes for the same echo, written in several ways: how many requests got no answer. Prints a table
// for docs/reference/lost-requests.md; `--scenario NAME`, `--peer NAME` choose. Needs some ten minutes.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { setTimeout as pause } from "node:timers/promises";
import { SeededRandom } from "@wherry/core/testing";
import { resources } from "@wherry/kube";
import { scenarios } from "../requests/scenarios.ts";
import { World } from "../requests/world.ts";
import { peers } from "./peers.ts";

/** Those that do nothing which only one of them understands. */
const compared = [
  "rolling update",
  "scale down and up",
  "SIGTERM during start-up",
  "SIGKILL",
  "second SIGTERM",
  "SIGSTOP for less than a deadline",
];
const callers = 2;
const concurrency = 20;
const settleMs = 500;

const { values } = parseArgs({
  options: { scenario: { type: "string" }, peer: { type: "string" }, seed: { type: "string", default: "1" } },
});

interface Count {
  readonly sent: number;
  readonly lost: Readonly<Record<string, number>>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Runs one scenario for one way of writing the service. */
async function measure(peer: string, scenario: string): Promise<Count> {
  const { act } = scenarios.find(({ name }) => name === scenario) ?? {};
  if (act === undefined) throw new Error(`scenario: expected one of ${compared.join(", ")}, got ${scenario}`);
  const world = new World();
  const children: ChildProcess[] = [];
  try {
    const env: Record<string, string> = peer === "moleculer" ? { PEER_NATS: await startNats(children) } : {};
    const command = ["node", join(import.meta.dirname, "pod.ts"), peer];
    await world.up({ replicas: 3, command, env });
    const { spec } = await world.client.get(resources.services, "ledger", "default");
    const address = `${spec?.clusterIP ?? ""}:5555`;
    const args = [join(import.meta.dirname, "load.ts"), peer, address, String(concurrency)];
    const loads = await Promise.all(Array.from({ length: callers }, () => startLoad(world, children, args, env)));
    await act(world, new SeededRandom(Number(values.seed)), true);
    await pause(settleMs);
    for (const { stop } of loads) stop();
    return sum(await Promise.all(loads.map(({ count }) => count)));
  } finally {
    for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
    await world.close();
  }
}

/** Debian's nats-server, on a free port. */
async function startNats(children: ChildProcess[]): Promise<string> {
  const port = await freePort();
  const child = spawn("nats-server", ["-a", "127.0.0.1", "-p", String(port)], { stdio: ["ignore", "ignore", "pipe"] });
  children.push(child);
  child.on("error", () => undefined);
  for await (const line of createInterface({ input: child.stderr }))
    if (line.includes("Server is ready")) return `nats://127.0.0.1:${port}`;
  throw new Error("nats-server (Debian: nats-server) did not start");
}

interface Load {
  readonly stop: () => void;
  readonly count: Promise<Count>;
}

async function startLoad(
  world: World,
  children: ChildProcess[],
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Load> {
  const child = spawn(process.execPath, args, {
    env: { ...world.session.env, KUBECONFIG: world.session.kubeconfig, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { done } = await lines.next();
  if (done === true) throw new Error(`the caller ended with ${String(child.exitCode)}`);
  const count = lines.next().then(({ value }) => JSON.parse(String(value)) as Count);
  return { stop: () => child.stdin.end(), count };
}

function sum(counts: readonly Count[]): Count {
  const lost: Record<string, number> = {};
  for (const count of counts)
    for (const [reason, number] of Object.entries(count.lost)) lost[reason] = (lost[reason] ?? 0) + number;
  return { sent: counts.reduce((total, { sent }) => total + sent, 0), lost };
}

const names = values.peer === undefined ? Object.keys(peers) : [values.peer];
const chosen = values.scenario === undefined ? compared : [values.scenario];
const rows: string[][] = [];
for (const scenario of chosen) {
  const row = [scenario];
  for (const peer of names) {
    try {
      const { sent, lost } = await measure(peer, scenario);
      const total = Object.values(lost).reduce((all, count) => all + count, 0);
      console.log(`${scenario}, ${peer}: ${total} of ${sent} lost ${total === 0 ? "" : JSON.stringify(lost)}`);
      row.push(`${total} of ${sent}`);
    } catch (error) {
      console.log(`${scenario}, ${peer}: ${String(error)}`);
      row.push("not measured");
    }
  }
  rows.push(row);
}
console.log(`\n| requests lost | ${names.join(" | ")} |\n|${"---|".repeat(names.length + 1)}`);
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
