// The example with nothing installed: orders that are placed while no pod lives are shipped, each once, though pods are killed in the
// middle of it.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openBroker, queueOf } from "@wherry/service";
import { afterEach, beforeEach, expect, test } from "vitest";

let folder = "";
const children = new Set<ChildProcess>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wherry-orders-"));
});
afterEach(async () => {
  await Promise.all([...children].map(kill));
  rmSync(folder, { recursive: true });
});

const brokerUrl = (): string => `sqlite://${folder}/broker/durable.db`;

function start(
  program: string,
  ...args: string[]
): { child: ChildProcess; output: () => string; code: Promise<number | null> } {
  const env = { PATH: process.env["PATH"], BROKER_URL: brokerUrl(), LEDGER: join(folder, "ledger.db") };
  const child = spawn(process.execPath, [join(import.meta.dirname, program), ...args], { env, stdio: "pipe" });
  children.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = new Promise<number | null>((resolve) => {
    child.once("close", (ended) => {
      children.delete(child);
      resolve(ended);
    });
  });
  return { child, output: () => output, code };
}

const pod = (): ReturnType<typeof start> => start("orders.ts", "--port", "0", "--admin-port", "0");

/** SIGKILL, and only to what was started here. */
async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await ended;
}

function shipped(): string[] {
  try {
    const ledger = new DatabaseSync(join(folder, "ledger.db"), { timeout: 5000 });
    const rows = ledger.prepare("SELECT key FROM shipped ORDER BY key").all();
    ledger.close();
    return rows.map((row) => String(row["key"]));
  } catch {
    return []; // not there yet
  }
}

test("orders placed while no pod lives are shipped, each once, though pods are killed in the middle", async () => {
  const items = Array.from({ length: 300 }, (_, index) => String(index));
  const placing = start("place-orders.ts", ...items);
  expect(await placing.code, placing.output()).toBe(0);
  expect(placing.output()).toContain("7: placed\n");
  const again = start("place-orders.ts", "7");
  expect([await again.code, again.output()]).toEqual([0, "7: was placed before\n"]);

  for (const enough of [10, 60, 150]) {
    const { child, output } = pod();
    await expect.poll(() => shipped().length, { interval: 2, message: output() }).toBeGreaterThanOrEqual(enough);
    await kill(child);
  }
  const [one, two] = [pod(), pod()];
  const keys = items.map((item) => `order-${item}`).sort();
  await expect.poll(shipped).toEqual(keys);
  const broker = await openBroker({ url: brokerUrl() });
  await expect.poll(() => broker.depth(queueOf("orders", "order"))).toEqual({ ready: 0, inFlight: 0, dead: 0 });
  await broker.close();
  for (const { child } of [one, two]) child.kill("SIGTERM");
  expect(await Promise.all([one.code, two.code]), one.output()).toEqual([0, 0]);
});

test("an order that ends its pod each time is a dead letter in the end, and the others are shipped", async () => {
  expect(await start("place-orders.ts", "poison", "boat").code).toBe(0);
  const broker = await openBroker({ url: brokerUrl() });
  let restarts = 0;
  const dead = (): Promise<unknown> => broker.depth(queueOf("orders", "order")).then((depth) => depth.dead);
  for (let current = pod(); (await dead()) === 0; ) {
    // As the cluster does: what has ended is started again.
    const ended = await Promise.race([
      current.code,
      expect
        .poll(dead)
        .toBe(1)
        .then(() => "dead"),
    ]);
    if (ended === "dead") break;
    expect(ended).toBe(1);
    restarts++;
    current = pod();
  }
  expect(restarts).toBe(6);
  expect(
    (await broker.deadLetters(queueOf("orders", "order"), 10)).map(({ key, reason }) => [key, reason.code]),
  ).toEqual([["order-poison", "REDELIVERIES"]]);
  await expect.poll(shipped).toEqual(["order-boat"]);
  await broker.close();
});
