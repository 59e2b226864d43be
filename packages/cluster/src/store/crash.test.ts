// The store on SQLite, whose process is killed while it writes: what was acknowledged is there, and revisions have no gap.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SeededRandom } from "@wherry/core/testing";
import { afterEach, expect, test } from "vitest";
import { openSqliteBackend } from "./sqlite.ts";
import type { Entry } from "./types.ts";

const folder = mkdtempSync(join(tmpdir(), "wherry-crash-"));
afterEach(() => rmSync(folder, { recursive: true }));

interface Ack {
  readonly key: string;
  readonly outcome: "written" | "deleted";
  readonly entry: Entry;
}

/** Lets a process write until it has acknowledged `count` more, and kills it in the middle. */
async function writeUntilKilled(path: string, count: number): Promise<Ack[]> {
  const writer = fileURLToPath(new URL("crash-writer.suite.ts", import.meta.url));
  const child = spawn(process.execPath, [writer, path], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  let output = "";
  let lines = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    lines += chunk.toString().split("\n").length - 1;
    if (lines >= count) child.kill("SIGKILL");
  });
  const [, signal] = (await closed) as [number | null, string | null];
  expect(signal).toBe("SIGKILL");
  return output
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Ack);
}

test("kill -9 at any moment loses no acknowledged write, and leaves no gap in the revisions", async () => {
  const seed = Date.now() >>> 0;
  const random = new SeededRandom(seed);
  const path = join(folder, "store.db");
  /** What must be there: the last acknowledged outcome of each key. */
  const owed = new Map<string, Entry | undefined>();
  let highest = 0;
  for (let round = 0; round < 5; round++) {
    const context = `seed ${seed}, round ${round}`;
    for (const { key, outcome, entry } of await writeUntilKilled(path, 1 + random.below(1500))) {
      // Writes are acknowledged in order, so all up to the last one that was heard of are known here.
      expect(entry.revision, context).toBeGreaterThan(highest);
      highest = entry.revision;
      owed.set(key, outcome === "written" ? entry : undefined);
    }
    // Opening checks that the revisions are dense.
    const backend = await openSqliteBackend({ path });
    expect(backend.revision, context).toBeGreaterThanOrEqual(highest);
    expect(backend.compactRevision, context).toBeLessThanOrEqual(highest);
    for (const [key, entry] of owed) expect(backend.get(key, highest), `${context}, ${key}`).toEqual(entry);
    // The writes under way when it was killed may be there as well; from now on they have to stay.
    const all = backend.list({ prefix: "/" });
    if (all.outcome !== "page") throw new Error(all.outcome);
    owed.clear();
    for (const entry of all.entries) owed.set(entry.key, entry);
    highest = backend.revision;
    await backend.close();
  }
  expect(highest).toBeGreaterThan(0);
});
