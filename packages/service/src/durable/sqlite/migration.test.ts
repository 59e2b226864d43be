// Files that an earlier Wherry wrote, and those of a later one.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SystemClock, SystemRandom, silentLogger } from "@wherry/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inbox, json, valueOf } from "../broker.suite.ts";
import type { Broker } from "../types.ts";
import { openSqliteBroker } from "./broker.ts";
import { schemaVersion } from "./schema.ts";

const common = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger, dedupeWindowMs: 60_000 };
let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wherry-broker-"));
  path = join(folder, "broker.db");
});
afterEach(() => rmSync(folder, { recursive: true }));
const open = (): Promise<Broker> => openSqliteBroker({ ...common, path });

/** As version 1 made it (commit c7e7fec). */
const version1 = `
  PRAGMA page_size = 4096;
  PRAGMA journal_mode = WAL;
  CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, key TEXT, trace TEXT, content INTEGER NOT NULL, body BLOB,
    published_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, count INTEGER NOT NULL DEFAULT 0, owner INTEGER
  ) STRICT;
  CREATE INDEX ready ON message (queue, due_ms, id) WHERE owner IS NULL;
  CREATE INDEX owned ON message (owner) WHERE owner IS NOT NULL;
  CREATE TABLE dead (
    id INTEGER PRIMARY KEY, queue TEXT NOT NULL, key TEXT, trace TEXT, content INTEGER NOT NULL, body BLOB,
    published_ms INTEGER NOT NULL, count INTEGER NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, died_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX dead_queue ON dead (queue, id);
  CREATE TABLE seen (
    queue TEXT NOT NULL, key TEXT NOT NULL, id INTEGER NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY (queue, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX seen_until ON seen (until_ms);
  CREATE TABLE consumer (id INTEGER PRIMARY KEY AUTOINCREMENT, process TEXT NOT NULL, beat_ms INTEGER NOT NULL) STRICT;
  PRAGMA application_id = 0x57485242;
  PRAGMA user_version = 1;`;

/** One message that waits, one that a dead pod held, and a dead letter. */
function writeVersion1(): void {
  using database = new DatabaseSync(path);
  database.exec(version1);
  const now = Date.now();
  database.prepare("INSERT INTO consumer VALUES (7, 'elsewhere pid:[1] 1 1', ?)").run(now - 3_600_000);
  const message = database.prepare("INSERT INTO message VALUES (?, 'a.b', ?, 'trace', 1, ?, ?, ?, ?, ?)");
  message.run(1, "waits", Buffer.from(`"waits"`), now, now, 0, null);
  message.run(2, "held", Buffer.from(`"held"`), now, now, 1, 7);
  database.prepare("INSERT INTO seen VALUES ('a.b', 'waits', 1, ?)").run(now + 600_000);
  database
    .prepare("INSERT INTO dead VALUES (3, 'a.b', 'dead', NULL, 1, ?, ?, 2, 'SOLD_OUT', 'none left', ?)")
    .run(Buffer.from(`"dead"`), now, now);
}

const versionNow = (): unknown => {
  using database = new DatabaseSync(path);
  return database.prepare("PRAGMA user_version").get()?.["user_version"];
};
const change = (sql: string): void => {
  using database = new DatabaseSync(path);
  database.exec(sql);
};
const tables = (): unknown => {
  using database = new DatabaseSync(path);
  const columns = database.prepare(
    'SELECT m.name AS of, c.name, c.type, c."notnull" FROM sqlite_master m, pragma_table_info(m.name) c ORDER BY 1, 2',
  );
  return columns.all().map((row) => ({ ...row }));
};

describe("a file of version 1", () => {
  test("is brought up to date with all that is in it, whoever opens it first", async () => {
    writeVersion1();
    const [broker, other] = await Promise.all([open(), open()]);
    expect(versionNow()).toBe(schemaVersion);
    expect(await broker.depth("a.b")).toEqual({ ready: 1, inFlight: 1, dead: 1 });
    expect(await other.publish("a.b", { ...json("twice"), key: "waits" })).toEqual({ id: "1", duplicate: true });
    expect(await broker.redrive("a.b", "all")).toBe(1);
    await broker.publish("a.b", { ...json("new"), codec: "msgpack-1", traceState: "a=1" });
    const { all, at } = await inbox(other, "a.b", 4);
    await at(3);
    const seen = all.map((got) => [valueOf(got), got.key, got.count, got.codec, got.traceState]);
    expect(seen.toSorted()).toEqual([
      ["dead", "dead", 1, undefined, undefined],
      ["held", "held", 2, undefined, undefined],
      ["new", undefined, 1, "msgpack-1", "a=1"],
      ["waits", "waits", 1, undefined, undefined],
    ]);
    for (const delivery of all) expect(await delivery.ack()).toBe(true);
    expect(await broker.depth("a.b")).toEqual({ ready: 0, inFlight: 0, dead: 0 });
    await Promise.all([broker.close(), other.close()]);
  });

  test("has the tables that a new file has", async () => {
    writeVersion1();
    await (await open()).close();
    const migrated = tables();
    rmSync(path);
    await (await open()).close();
    expect(migrated).toEqual(tables());
  });

  test("that cannot be brought up to date stays as it was, and says why", async () => {
    writeVersion1();
    // The third of its steps fails.
    change("ALTER TABLE dead ADD COLUMN trace_state TEXT");
    const before = tables();
    await expect(open()).rejects.toMatchObject({
      code: "BROKER_REFUSED",
      message: expect.stringMatching(/duplicate column name: trace_state/),
    });
    expect(versionNow()).toBe(1);
    expect(tables()).toEqual(before);
  });
});

test.each([
  [schemaVersion + 1, /version 2 at most in .*, got 3; a later Wherry wrote it: install that version/],
  [-1, /got -1; no Wherry wrote such a file/],
])("a file of version %i is refused, and left alone", async (version, message) => {
  await (await open()).close();
  change(`PRAGMA user_version = ${version}`);
  await expect(open()).rejects.toMatchObject({ code: "BROKER_REFUSED", message: expect.stringMatching(message) });
  expect(versionNow()).toBe(version);
});
