// What one request costs each side: processor time, and memory that JavaScript allocates, measured in separate runs, since the sampling
// profiler costs time itself.
import type { BenchOptions, Row } from "../types.ts";
import type { Child, Children } from "../zmtp/children.ts";
import { ours, rowOf } from "../zmtp/statistics.ts";

const outstanding = 100;
const bytes = 64;
const libraries = ["service", "zeromq.js", "grpc-js"] as const;

interface Cost {
  readonly cpuUs: number;
  readonly allocatedBytes: number;
}

export async function measureSpending(
  messages: number,
  children: Children,
  print: BenchOptions["print"],
): Promise<Row[]> {
  const sides = ["server", "client"] as const;
  const costs = new Map<string, readonly Cost[]>();
  for (const library of libraries) {
    const server = await children.start(library, { role: "echo-server", bytes });
    const client = await children.start(library, { role: "echo-client", bytes, endpoint: server.endpoint });
    await client.count({ op: "count", outstanding, messages: messages / 10 });
    costs.set(library, await costOf(server, client, messages));
    await Promise.all([client.stop(), server.stop()]);
  }
  const row = (name: string, unit: string, value: (cost: Cost) => number, side: number): Row =>
    rowOf({
      name,
      unit,
      better: "less",
      measured: new Map(
        [...costs].map(([library, both]) => [
          library === "service" ? ours : library,
          both.slice(side, side + 1).map(value),
        ]),
      ),
    });
  const rows = sides.flatMap((side, index) => [
    row(`cpu-${side}`, "µs/req", ({ cpuUs }) => cpuUs, index),
    row(`allocated-${side}`, "B/req", ({ allocatedBytes }) => allocatedBytes, index),
  ]);
  print(`  cpu and allocations: ${messages} requests of ${bytes} B, ${outstanding} outstanding`);
  return rows;
}

async function costOf(server: Child, client: Child, messages: number): Promise<readonly Cost[]> {
  const both = [server, client];
  const beforeMs = both.map((child) => child.cpuMs());
  await client.count({ op: "count", outstanding, messages });
  const cpuMs = both.map((child, side) => child.cpuMs() - (beforeMs[side] ?? NaN));
  await Promise.all(both.map((child) => child.count({ op: "spend" })));
  await client.count({ op: "count", outstanding, messages });
  const spent = await Promise.all(both.map((child) => child.spent()));
  return spent.map(({ allocatedBytes }, side) => ({
    cpuUs: ((cpuMs[side] ?? NaN) * 1_000) / messages,
    allocatedBytes: allocatedBytes / messages,
  }));
}
