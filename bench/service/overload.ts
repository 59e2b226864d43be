// Ten times the capacity: callers who wait one second ask a serial service, whose handler takes 5 ms, ten times as often as it can answer.
// What counts is how many are answered in time, beside what it answers when it is never asked more than it can, and how long they took.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "@wherry/service";
import type { BenchOptions, Row } from "../types.ts";

const overload = 10;
const deadlineMs = 1_000;
const tickMs = 10;
const goodputMin = 90;

type Client = ReturnType<typeof connect>;

interface Flood {
  readonly asked: number;
  readonly answered: number;
  readonly p99Ms: number;
}

export async function measureOverload(seconds: number, print: BenchOptions["print"]): Promise<Row[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "overload-server.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const endpoint = String((await lines.next()).value);
    const clients = Array.from({ length: 4 }, () => connect("worker", { endpoints: [endpoint], deadlineMs }));
    const capacity = await closedLoop(clients, seconds);
    const flood = await openLoop(clients, capacity * overload, seconds);
    await Promise.all(clients.map((client) => client.close()));
    const goodput = (flood.answered / seconds / capacity) * 100;
    print(
      `  overload: can answer ${capacity.toFixed(0)}/s, was asked ${(flood.asked / seconds).toFixed(0)}/s, answered ${(flood.answered / seconds).toFixed(0)}/s ` +
        `within ${deadlineMs} ms (goal: at least ${goodputMin} % of what it can)`,
    );
    return [
      { name: "overload-goodput", unit: "% of capacity", ours: goodput, peers: {}, ratios: {} },
      { name: "overload-p99", unit: "ms", ours: flood.p99Ms, peers: {}, ratios: {}, atMost: deadlineMs },
    ];
  } finally {
    child.stdin.end();
    await once(child, "close");
  }
}

/** Answers a second when as much is asked as can be answered. */
async function closedLoop(clients: readonly Client[], seconds: number): Promise<number> {
  let answered = 0;
  const endMs = performance.now() + seconds * 1_000;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < endMs) {
        await client.call("work");
        answered++;
      }
    }),
  );
  return answered / seconds;
}

/** Asks at a steady rate, whatever is answered. */
async function openLoop(clients: readonly Client[], perSecond: number, seconds: number): Promise<Flood> {
  const took: number[] = [];
  let asked = 0;
  let open = 0;
  const startMs = performance.now();
  while (performance.now() - startMs < seconds * 1_000) {
    const due = ((performance.now() - startMs) / 1_000) * perSecond;
    for (; asked < due; asked++) {
      const askedMs = performance.now();
      open++;
      void clients[asked % clients.length]
        ?.call("work")
        .then(
          () => took.push(performance.now() - askedMs),
          () => undefined,
        )
        .finally(() => open--);
    }
    await sleep(tickMs);
  }
  const answered = took.length;
  while (open > 0) await sleep(tickMs);
  took.sort((a, b) => a - b);
  return { asked, answered, p99Ms: took[Math.floor(took.length * 0.99)] ?? NaN };
}
