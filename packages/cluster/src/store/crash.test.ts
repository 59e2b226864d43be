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
  /** The last acknowledged outcome of each key. */
  const acknowledged = new Map<string, Ack>();
  let highest = 0;
  for (let round = 0; round < 5; round++) {
    for (const ack of await writeUntilKilled(path, 1 + random.below(1500))) {
      acknowledged.set(ack.key, ack);
      highest = Math.max(highest, ack.entry.revision);
    }
    // Opening checks that the revisions are dense.
    const backend = await openSqliteBackend({ path });
    const context = `seed ${seed}, round ${round}`;
    expect(backend.revision, context).toBeGreaterThanOrEqual(highest);
    for (const { key, outcome, entry } of acknowledged.values()) {
      const there = backend.get(key) as Entry | undefined;
      // Of the write that was under way when it was killed, nobody knows; an older one must not come back.
      if (there !== undefined && there.revision > entry.revision) continue;
      if (there === undefined && backend.revision > highest && outcome === "written") continue;
      expect(there, `${context}, ${key}`).toEqual(outcome === "written" ? entry : undefined);
    }
    highest = backend.revision;
    await backend.close();
  }
  expect(highest).toBeGreaterThan(0);
});
