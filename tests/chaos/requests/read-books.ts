// Reads what callers and pods wrote down, and what the broker still holds.
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { openBroker, queueOf } from "@wherry/service";
import type { Executed, Leftovers, Told } from "./types.ts";

/** Pods that run nothing else work off thousands in that time. */
const drainMsMax = 180_000;

export async function readTold(files: readonly string[]): Promise<Told[]> {
  const told: Told[] = [];
  for (const file of files) for await (const line of lines(file)) told.push(JSON.parse(line) as Told);
  return told;
}

/** All pods' executions together, by call. A line that a kill cut off counts for nothing: the process had not gone on. */
export async function readExecuted(folder: string): Promise<Map<string, Executed>> {
  const executed = new Map<string, Executed>();
  for (const file of readdirSync(folder).filter((name) => name.startsWith("executions-"))) {
    for await (const line of lines(join(folder, file))) {
      const id = line.slice(1);
      const sum = executed.get(id) ?? { began: 0, ended: 0 };
      if (line.startsWith("+")) sum.began++;
      else sum.ended++;
      executed.set(id, sum);
    }
  }
  return executed;
}

/** How often each key's effect was committed. */
export function readEffects(folder: string): Map<string, number> {
  const file = join(folder, "effects.sqlite");
  if (!existsSync(file)) return new Map();
  using database = new DatabaseSync(file);
  const rows = database.prepare("SELECT key, count(*) AS times FROM effect GROUP BY key").all();
  return new Map(rows.map((row) => [String(row["key"]), Number(row["times"])]));
}

/** Waits until the pods have run every durable call that is stored: the broker is the cluster's own file, that of KUBECONFIG. */
export async function drained(): Promise<Leftovers> {
  const broker = await openBroker();
  const queue = queueOf("ledger", "durable");
  try {
    const startMs = performance.now();
    const waiting = async (): Promise<number> => {
      const { ready, inFlight = 0 } = await broker.depth(queue);
      return ready + inFlight;
    };
    let queued = await waiting();
    while (queued > 0 && performance.now() - startMs < drainMsMax) {
      await pause(100);
      queued = await waiting();
    }
    const dead = (await broker.deadLetters(queue, 1_000)).map(({ key, reason: { code, message } }) => ({
      ...{ key, reason: `it is a dead letter, ${code}: ${message}` },
    }));
    return { queued, dead, drainMs: performance.now() - startMs };
  } finally {
    await broker.close();
  }
}

function lines(file: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(file), crlfDelay: Infinity });
}
