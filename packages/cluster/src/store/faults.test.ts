// What a store does when its disk, its file or its journal is not what it should be.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { WherryError } from "@wherry/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Journal, noJournal } from "./journal.ts";
import { MvccBackend } from "./mvcc.ts";
import { openSqliteBackend } from "./sqlite.ts";
import type { Backend } from "./types.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wherry-store-"));
  path = join(folder, "store.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A store with ten objects, closed. */
async function filled(): Promise<void> {
  const backend = await openSqliteBackend({ path });
  for (let index = 0; index < 10; index++)
    await backend.put(`/k/${index}`, 0, (revision) => `${revision} ${"x".repeat(2000)}`);
  await backend.close();
}

function change(sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

async function refusal(): Promise<WherryError> {
  const opened = await openSqliteBackend({ path }).catch((error: unknown) => error);
  if (opened instanceof WherryError) return opened;
  await (opened as Backend).close();
  throw new Error("it was opened");
}

describe("the store's file", () => {
  test("can be read by its owner only, and so can what SQLite keeps beside it", async () => {
    const backend = await openSqliteBackend({ path });
    await backend.put("/a", 0, String);
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777, file).toBe(0o600);
    await backend.close();
  });

  test("is open once at a time", async () => {
    const backend = await openSqliteBackend({ path });
    expect(await refusal()).toMatchObject({ code: "STORE_LOCKED", message: expect.stringContaining("stop that one") });
    expect(await backend.put("/a", 0, String)).toMatchObject({ outcome: "written" });
    await backend.close();
  });

  test("that is new and empty is a new store", async () => {
    writeFileSync(path, "");
    const backend = await openSqliteBackend({ path });
    expect(backend.revision).toBe(0);
    await backend.close();
  });

  test.each<[string, () => void, string, RegExp]>([
    ["is no SQLite file", () => writeFileSync(path, "x".repeat(5000)), "STORE_CORRUPT", /file is not a database/],
    ["is another program's", () => change("CREATE TABLE t (x)"), "STORE_CORRUPT", /of another program/],
    ["is a folder", () => mkdirSync(path), "STORE_CORRUPT", /no regular file/],
    ["is in no folder", () => rmSync(folder, { recursive: true }), "STORE_FAILED", /check that the folder/],
  ])("that %s is refused, saying what to do", async (_, make, code, message) => {
    make();
    const error = await refusal();
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    mkdirSync(folder, { recursive: true });
  });

  test.each<[string, () => void, string, RegExp]>([
    ["lost a row", () => change("DELETE FROM log WHERE revision = 5"), "STORE_CORRUPT", /revision 6 where 5 should/],
    ["lost its compact revision", () => change("DELETE FROM meta"), "STORE_CORRUPT", /without its compact revision/],
    [
      "lost its second half",
      () => truncateSync(path, statSync(path).size / 2),
      "STORE_CORRUPT",
      /malformed|not a database/,
    ],
    ["is of a newer version", () => change("PRAGMA user_version = 9"), "STORE_TOO_NEW", /by a newer Wherry/],
  ])("that %s is refused, and left as it is", async (_, damage, code, message) => {
    await filled();
    damage();
    const before = readFileSync(path);
    const error = await refusal();
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("that is full ends the store: nothing more is acknowledged, and nothing acknowledged is lost", async () => {
    const failures: WherryError[] = [];
    const onFailure = (error: WherryError): void => void failures.push(error);
    const backend = await openSqliteBackend({ path, fileBytesMax: 200 * 1024, onFailure });
    const acknowledged: string[] = [];
    let failed: unknown;
    for (let index = 0; index < 1000 && failed === undefined; index++) {
      const result = await backend.put(`/k/${index}`, 0, () => "x".repeat(3000)).catch((error: unknown) => error);
      if (result instanceof Error) failed = result;
      else acknowledged.push(`/k/${index}`);
    }
    expect(failed).toMatchObject({ code: "STORE_FAILED", message: expect.stringContaining("full") });
    expect(failures).toEqual([failed]);
    expect(acknowledged.length).toBeGreaterThan(10);
    const next = `/k/${acknowledged.length}`;
    expect(backend.get(next)).toBeUndefined();
    expect(backend.head(next)).toBeUndefined();
    await expect(backend.put("/other", 0, String)).rejects.toBe(failed);
    expect(backend.get(acknowledged[0] ?? "")).toBeDefined();
    await backend.close();
    const again = await openSqliteBackend({ path });
    expect(again.revision).toBe(acknowledged.length);
    for (const key of acknowledged) expect(again.get(key), key).toBeDefined();
    await again.close();
  });
});

test("a compaction that fails ends the store, and its owner hears of it", async () => {
  const failures: WherryError[] = [];
  const journal: Journal = {
    ...noJournal,
    compact: () => {
      throw new Error("I/O error");
    },
  };
  const backend = new MvccBackend(journal, { defer: setImmediate, onFailure: (error) => failures.push(error) });
  await backend.put("/a", 0, String);
  await expect(backend.compact(1)).rejects.toMatchObject({ code: "STORE_FAILED" });
  await expect(backend.put("/a", 1, String)).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect(failures).toMatchObject([{ code: "STORE_FAILED" }]);
  expect(backend.get("/a")).toMatchObject({ revision: 1 });
});

test("a commit that fails is never visible, and its writers and all later ones hear of it", async () => {
  let broken = false;
  const journal: Journal = {
    ...noJournal,
    commit: () => {
      if (broken) throw new Error("I/O error");
    },
  };
  const backend = new MvccBackend(journal, { defer: setImmediate });
  await backend.put("/a", 0, String);
  broken = true;
  const abort = new AbortController();
  const watch = backend.watch({ prefix: "/" }, 1, abort.signal);
  const lost = Promise.allSettled([
    backend.put("/a", 1, String),
    backend.delete("/b", 0, String),
    backend.put("/c", 0, String),
  ]);
  expect(backend.head("/c")).toMatchObject({ revision: 3 });
  expect((await lost).map((one) => one.status)).toEqual(["rejected", "fulfilled", "rejected"]);
  await expect(backend.put("/d", 0, String)).rejects.toMatchObject({ code: "STORE_FAILED" });
  await expect(backend.compact(1)).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect([backend.revision, backend.get("/a"), backend.head("/c")]).toMatchObject([1, { revision: 1 }, undefined]);
  abort.abort();
  if (!(Symbol.asyncIterator in watch)) throw new Error("refused");
  for await (const batch of watch) expect(batch).toBe("nothing");
});
