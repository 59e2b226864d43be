// The rows that are memory: what an idle peer costs, and whether a server stays as small as it was over millions of messages.
import { execFileSync } from "node:child_process";
import type { BenchOptions, Row } from "../types.ts";
import type { Children } from "./children.ts";
import { idlePeerBytesMax, type Plan } from "./plan.ts";
import { ours, rowOf, spread } from "./statistics.ts";

type Print = BenchOptions["print"];

const withGc = ["--expose-gc"];
/** Files that a process has open for other ends than its peers, at most. */
const otherFiles = 200;
const idleLibraries = [ours, "zeromq.js", "node:net"] as const;
const outstanding = 1_000;
const bytes = 64;

/** The growth of the server's resident memory, garbage collected before and after, over the number of peers. */
export async function measureIdlePeers(plan: Plan, children: Children, print: Print): Promise<Row> {
  const peers = Math.min(plan.idlePeers, openFilesMax() - otherFiles);
  if (peers < plan.idlePeers)
    print(
      `  idle-peer-bytes: ${peers} peers only, not ${plan.idlePeers}: a process may open no more files (ulimit -Hn)`,
    );
  const measured = new Map<string, number[]>();
  const heaps: string[] = [];
  for (const library of idleLibraries) {
    const server = await children.start(library, { role: "idle-server", bytes }, withGc);
    const before = await server.memory();
    const clients = await children.start(library, {
      role: "idle-clients",
      bytes,
      endpoint: server.endpoint,
      connections: peers,
    });
    const after = await server.memory();
    measured.set(library, [(after.rss - before.rss) / peers]);
    heaps.push(`${library} ${((after.heapUsed - before.heapUsed) / peers).toFixed(0)}`);
    await Promise.all([clients.stop(), server.stop()]);
  }
  print(`  idle-peer-bytes, ${peers} peers: RSS ${spread(measured)}; of which JavaScript's heap ${heaps.join(", ")}`);
  return rowOf({ name: "idle-peer-bytes", unit: "B", measured, better: "less", atMost: idlePeerBytesMax });
}

/** Echo of 64 bytes with 1000 outstanding. What the server holds after, less what it held when it was warm. */
export async function measureFlatness(plan: Plan, children: Children, print: Print): Promise<Row[]> {
  const server = await children.start(ours, { role: "echo-server", bytes }, withGc);
  const client = await children.start(ours, { role: "echo-client", bytes, endpoint: server.endpoint }, withGc);
  const messages = plan.flatMessages;
  await client.count({ op: "count", outstanding, messages: messages / 20 });
  const before = [await server.memory(), await client.memory()] as const;
  const { elapsedMs } = await client.count({ op: "count", outstanding, messages });
  const after = [await server.memory(), await client.memory()] as const;
  await Promise.all([client.stop(), server.stop()]);
  print(
    `  memory-flat, ${messages} messages each way in ${(elapsedMs / 1_000).toFixed(1)} s, before → after: ${[
      "server",
      "client",
    ]
      .map((side, index) => {
        const [was, is] = [before[index], after[index]];
        return `${side} heap ${mebibytes(was?.heapUsed)} → ${mebibytes(is?.heapUsed)}, RSS ${mebibytes(was?.rss)} → ${mebibytes(is?.rss)}`;
      })
      .join("; ")} MiB`,
  );
  const growth = (name: string, field: "heapUsed" | "rss"): Row =>
    rowOf({ name, unit: "B more", measured: new Map([[ours, [after[0][field] - before[0][field]]]]), better: "less" });
  return [growth("memory-flat", "heapUsed"), growth("memory-flat-rss", "rss")];
}

/** The hard limit: Node raises its own soft one to it. */
function openFilesMax(): number {
  const limit = Number(execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim());
  // "unlimited"
  return Number.isNaN(limit) ? Infinity : limit;
}

function mebibytes(value: number | undefined): string {
  return ((value ?? NaN) / 1_048_576).toFixed(1);
}
