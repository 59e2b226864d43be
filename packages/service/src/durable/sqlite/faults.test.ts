// What the SQLite broker does when its disk, its file or its neighbours are not what they should be.
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SystemClock, SystemRandom, silentLogger } from "@wherry/core";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inbox, json, valueOf } from "../broker.suite.ts";
import type { Broker, Delivery } from "../types.ts";
import { openSqliteBroker } from "./broker.ts";
import { isGone, ownIdentity } from "./process-identity.ts";

const common = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger, dedupeWindowMs: 60_000 };
let queues = 0;
let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wherry-broker-"));
  path = join(folder, "broker.db");
});
afterEach(() => rmSync(folder, { recursive: true }));
const open = (more: { bytesMax?: number; dedupeWindowMs?: number } = {}): Promise<Broker> =>
  openSqliteBroker({ ...common, path, ...more });

describe("a full disk", () => {
  test("is one clear error; what was confirmed is delivered, and working it off makes room", async () => {
    const broker = await open({ bytesMax: 512 * 1024 });
    const stored: number[] = [];
    let refused: unknown;
    for (let index = 0; refused === undefined; index++)
      await broker.publish("a.b", json({ index, ballast: "x".repeat(8000) })).then(
        () => stored.push(index),
        (error: unknown) => (refused = error),
      );
    expect(refused).toMatchObject({
      code: "BROKER_UNAVAILABLE",
      retryable: true,
      message: expect.stringContaining("full"),
    });
    expect(stored.length).toBeGreaterThan(10);
    const seen: number[] = [];
    await inbox(broker, "a.b", 4, (delivery) => {
      seen.push((valueOf(delivery) as { index: number }).index);
      void delivery.ack();
    });
    await expect.poll(() => seen).toEqual(stored);
    await expect
      .poll(() =>
        broker.publish("a.b", json("room")).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    await broker.close();
  });
});

describe("the file", () => {
  test("is its owner's alone", async () => {
    const broker = await open();
    await broker.publish("a.b", json(1));
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o077, file).toBe(0);
    await broker.close();
  });

  test.each<[string, () => void, string]>([
    ["of another program", () => change("CREATE TABLE other (id)"), "another program"],
    ["that is no database", () => writeFileSync(path, "hello".repeat(1000)), "no SQLite file"],
    ["of a later version", () => void 0, "version"],
  ])("%s is refused, and left alone", async (what, make, message) => {
    if (what.includes("later")) {
      await (await open()).close();
      change("PRAGMA user_version = 9");
    } else make();
    await expect(open()).rejects.toMatchObject({ code: "BROKER_REFUSED", message: expect.stringContaining(message) });
  });

  const change = (sql: string): void => {
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
  };
});

describe("a consumer that is gone", () => {
  test("loses its messages to another at once when its process is dead, else when it has shown no life for long", async () => {
    const broker = await open();
    for (const value of ["dead", "silent", "alive"]) await broker.publish("a.b", json(value));
    const [boot, namespace] = ownIdentity().split(" ");
    const now = Date.now();
    const database = new DatabaseSync(path);
    const add = database.prepare("INSERT INTO consumer (id, process, beat_ms) VALUES (?, ?, ?)");
    add.run(101, `${boot} ${namespace} 999999999 1`, now);
    add.run(102, "elsewhere pid:[1] 1 1", now - 60_000);
    add.run(103, "elsewhere pid:[1] 2 1", now);
    database.exec("UPDATE message SET owner = 100 + id, count = 1");
    database.close();
    const { all, at } = await inbox(broker, "a.b", 3);
    expect([valueOf(await at(0)), valueOf(await at(1))].sort()).toEqual(["dead", "silent"]);
    expect(all.map(({ count }) => count)).toEqual([2, 2]);
    expect(await broker.depth("a.b")).toEqual({ ready: 0, inFlight: 3, dead: 0 });
    for (const delivery of all) await delivery.ack();
    await broker.close();
  });

  test("and comes back is told that its message is not its own any more", async () => {
    const broker = await open();
    await broker.publish("a.b", json("x"));
    const delivery = await (await inbox(broker, "a.b")).at(0);
    const database = new DatabaseSync(path);
    database.exec("UPDATE message SET owner = NULL; DELETE FROM consumer");
    database.close();
    expect(await delivery.ack()).toBe(false);
    const other = await open();
    await expect
      .poll(async () => (await other.depth("a.b")).ready + ((await other.depth("a.b")).inFlight ?? 0))
      .toBe(1);
    await other.close();
    await broker.close();
  });

  test("is known by its boot, its pid namespace, its pid and its start", () => {
    const own = ownIdentity();
    expect(isGone(own, own)).toBe(false);
    const [boot, namespace, pid] = own.split(" ");
    expect(isGone(`${boot} ${namespace} ${pid} 1`, own)).toBe(true);
    expect(isGone(`${boot} pid:[1] ${pid} 1`, own)).toBeUndefined();
    expect(isGone("", own)).toBeUndefined();
    fc.assert(fc.property(fc.string(), (text) => isGone(text, own) !== false));
  });
});

test("a key is forgotten after its window", async () => {
  const broker = await open({ dedupeWindowMs: 1 });
  await broker.publish("a.b", { ...json(1), key: "k" });
  await expect.poll(() => broker.publish("a.b", { ...json(2), key: "k" })).toMatchObject({ duplicate: false });
  await broker.close();
});

test("whatever consumers do, and whenever they leave, every message is acknowledged once", async () => {
  const action = fc.constantFrom("ack", "retry", "release", "leave");
  const run = async (count: number, actions: readonly string[]): Promise<void> => {
    const publisher = await open();
    const queue = `q.${queues++}`;
    await Promise.all(Array.from({ length: count }, (_, index) => publisher.publish(queue, json(index))));
    const done: number[] = [];
    let step = 0;
    /** @returns whether the consumer left. */
    const take = async (broker: Broker, delivery: Delivery): Promise<boolean> => {
      const next = actions[step++] ?? "ack";
      if (next === "retry") await delivery.retry(0);
      else if (next === "release") await delivery.release();
      else if (next === "leave") await broker.close();
      else if (await delivery.ack()) done.push(valueOf(delivery) as number);
      return next === "leave";
    };
    const brokers: Broker[] = [];
    while (done.length < count) {
      const broker = await open();
      brokers.push(broker);
      const left = new Promise<void>((resolve) => {
        const deliver = (delivery: Delivery): void =>
          void take(broker, delivery).then((gone) => {
            if (gone || done.length === count) resolve();
          });
        void broker.consume(queue, { prefetch: 2, deliver });
      });
      await left;
      if (done.length < count) await broker.close();
    }
    expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(await publisher.depth(queue)).toEqual({ ready: 0, inFlight: 0, dead: 0 });
    await Promise.all([publisher, ...brokers].map((broker) => broker.close()));
  };
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 8 }), fc.array(action, { maxLength: 8 }), run), {
    numRuns: 20,
  });
});
