// `wherry dead-letters` as users run it, as a process of its own, with dead letters in the file of a cluster.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Broker, openBroker, queueOf } from "@wherry/service";
import { afterEach, beforeEach, expect, test } from "vitest";

const bin = join(import.meta.dirname, "../bin/wherry.js");
let home = "";
let broker: Broker;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "wherry-dead-"));
  broker = await openBroker({ url: `sqlite://${home}/default/durable.db` });
});
afterEach(async () => {
  await broker.close();
  rmSync(home, { recursive: true });
});

async function deadLetters(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, WHERRY_HOME: home, BROKER_URL: "", NO_COLOR: "1" };
  const child = spawn(process.execPath, [bin, "dead-letters", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number];
  return { code, stdout, stderr };
}

/** Stores calls, and lets each die of the same reason. */
async function die(queue: string, ...keys: string[]): Promise<void> {
  for (const key of keys) await broker.publish(queue, { key, content: 1, body: Buffer.from(`{"item":"${key}"}`) });
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let left = keys.length;
  const consumer = await broker.consume(queue, {
    prefetch: 1,
    deliver: (delivery) =>
      void delivery
        .deadLetter({ code: "SOLD_OUT", message: "no boats\nare left" })
        .then(() => (--left === 0 ? resolve(undefined) : undefined)),
  });
  await promise;
  await consumer.stop();
}

const orders = queueOf("orders", "order");

test("lists reason, deliveries, times and keys; drives some back, and deletes the rest", async () => {
  await die(orders, "boat", "oar", "sail");
  const listed = await deadLetters("orders", "order");
  expect(listed).toMatchObject({ code: 0, stderr: "default.orders.order: 3 dead; 0 wait, 0 run\n" });
  const [head, first, ...more] = listed.stdout.trimEnd().split("\n");
  expect(head).toMatch(/^ID +KEY +DELIVERIES +STORED +DIED +CODE +REASON$/);
  expect(first).toMatch(/^1 +boat +1 +\d{4}-\S+Z +\d{4}-\S+Z +SOLD_OUT +no boats are left$/);
  expect(more).toHaveLength(2);

  const data = await deadLetters("orders", "order", "--output", "json", "--limit", "1");
  expect(JSON.parse(data.stdout)).toMatchObject({
    queue: orders,
    depth: { ready: 0, inFlight: 0, dead: 3 },
    deadLetters: [{ id: "1", key: "boat", deliveries: 1, reason: { code: "SOLD_OUT" }, body: { item: "boat" } }],
  });

  const some = await deadLetters("orders", "order", "--redrive", "1", "99");
  expect(some).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^1 call of default\.orders\.order driven back/),
  });
  expect(some.stderr).toMatch(/1 of the ids are no dead letters/);
  expect(await broker.depth(orders)).toMatchObject({ ready: 1, dead: 2 });

  expect(await deadLetters("orders", "order", "--purge", "--all")).toMatchObject({
    code: 0,
    stdout: "2 calls of default.orders.order deleted\n",
  });
  expect(await broker.depth(orders)).toMatchObject({ ready: 1, dead: 0 });
});

test("of another namespace, and of a broker that is named, are that one's", async () => {
  await die(queueOf("orders", "order", "shop"), "boat");
  const url = `sqlite://${home}/default/durable.db`;
  const listed = await deadLetters("orders.shop", "order", "--name", "other", "--broker", url);
  expect(listed).toMatchObject({ code: 0, stdout: expect.stringContaining("boat") });
  expect((await deadLetters("orders", "order")).stdout).toBe("");
});

test("an empty queue that no service can vouch for is no silent health: it is warned of", async () => {
  const { code, stdout, stderr } = await deadLetters("orders", "oredr");
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  expect(stderr).toMatch(/^warning: default\.orders\.oredr is empty, .*no cluster "default" is running/);
});

test.each([
  [["orders", "order", "--all"], 2, /--all says which/],
  [["orders", "order", "--purge"], 2, /--purge takes the ids of dead letters, or --all/],
  [["orders", "order", "--redrive", "1", "--all"], 2, /ids or --all, not both/],
  [["orders", "order", "--redrive", "1", "--purge", "1"], 2, /not both at once/],
  [["orders.a.b", "order"], 2, /NAME or NAME\.NAMESPACE/],
  [["orders", "order", "--limit", "none"], 2, /--limit takes a whole number/],
  [["orders", "order", "--name", "other"], 1, /cluster "other" has stored no durable calls/],
  [["orders", "order", "--broker", "redis://u:s3cret@host"], 2, /expected sqlite:(?!.*s3cret)/],
])("%j is told apart", async (args, code, message) => {
  const { code: got, stdout, stderr } = await deadLetters(...args);
  expect({ code: got, stdout }).toEqual({ code, stdout: "" });
  expect(stderr).toMatch(message);
  expect(existsSync(join(home, "other"))).toBe(false);
});
