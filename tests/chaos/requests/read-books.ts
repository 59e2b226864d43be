// Reads what callers and pods wrote down.
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import type { Executed, Told } from "./types.ts";

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

function lines(file: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(file), crlfDelay: Infinity });
}
