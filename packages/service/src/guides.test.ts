// The programs of the guides run, and do what it says.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, expect, test } from "vitest";
import { connect } from "./client/connect.ts";
import { curveKeyPair } from "./curve/index.ts";
import { startChild, stopChildren } from "./testing/child.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "wherry-guide-"));
symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
const pages = ["composing.md", "keyed-calls.md", "durable-calls.md", "testing.md", "encryption.md", "streams.md"].map(
  (name) => readFileSync(join(root, "docs/guides", name), "utf8"),
);
for (const [, text = ""] of pages.join("\n").matchAll(/```ts\n(.*?)```/gs)) {
  const name = /^\/\/ (\S+\.ts)\n/.exec(text)?.[1];
  if (name !== undefined) writeFileSync(join(folder, name), text);
}
const program = (name: string): string => `await import(${JSON.stringify(join(folder, name))});`;

afterEach(stopChildren);
afterAll(() => rmSync(folder, { recursive: true }));

test("a contract's service and client work together", async () => {
  const served = startChild({ program: program("shop-service.ts") });
  const { endpoint } = await served.listening;
  const client = startChild({ program: program("shop-client.ts"), args: [endpoint] });
  expect(await client.exit, client.stderr()).toEqual({ code: 0, signal: null });
  expect(client.other).toEqual(["2", "0"]);
  expect(served.records).toContainEqual(expect.objectContaining({ msg: "sold", count: 2, gift: false }));
});

test("a reader whose pod is killed goes on at the next one: each entry once, in order", async () => {
  const pod = startChild({ program: program("journal.ts") });
  const { endpoint } = await pod.listening;
  const reader = startChild({ program: program("journal-reader.ts"), args: [endpoint] });
  await expect.poll(() => reader.other.length).toBeGreaterThan(5);
  pod.process.kill("SIGKILL");
  await pod.exit;
  const next = startChild({
    program: program("journal.ts"),
    args: ["--port", new URL(endpoint).port, "--admin-port", "0"],
  });
  await next.listening;
  expect(await reader.exit, reader.stderr()).toEqual({ code: 0, signal: null });
  expect(reader.other).toEqual(Array.from({ length: 100 }, (_, number) => `entry ${number}`));
});

test("an order is placed once, by any of its pods, however often it is asked for", async () => {
  const env = { ORDERS_FILE: join(folder, "orders.db") };
  const pods = [startChild({ program: program("orders.ts"), env }), startChild({ program: program("orders.ts"), env })];
  const endpoints = (await Promise.all(pods.map(({ listening }) => listening))).map(({ endpoint }) => endpoint);
  for (const endpoint of endpoints) {
    await using client = connect("orders", { endpoints: [endpoint] });
    expect(await client.call("place", { item: "book" }, { key: "cart-17" })).toEqual({ order: 1 });
  }
});

test("durable calls are stored while no pod lives, run when one does, and have their effect once", async () => {
  // Nothing names a broker: all of them mean the default cluster's file.
  const env = { WHERRY_HOME: join(folder, "home"), SHIPPING_FILE: join(folder, "shipping.db") };
  const runs = async (name: string): Promise<readonly string[]> => {
    const child = startChild({ program: program(name), env });
    expect(await child.exit, child.stderr()).toEqual({ code: 0, signal: null });
    return child.other;
  };
  expect(await runs("place.ts")).toEqual(["false"]);
  const orders = startChild({ program: program("order-service.ts"), env });
  const shipped = expect.objectContaining({ msg: "shipped", item: "boat", key: "order-7" });
  await expect.poll(() => orders.records).toContainEqual(shipped);
  expect(await runs("place.ts")).toEqual(["true"]);

  await runs("ship.ts");
  startChild({ program: program("shipping.ts"), env });
  const items = (): readonly unknown[] => {
    try {
      using database = new DatabaseSync(env.SHIPPING_FILE);
      return database.prepare("SELECT item FROM shipped").all();
    } catch {
      return []; // not there yet
    }
  };
  await expect.poll(items).toHaveLength(1);
  expect(await runs("dead-letters.ts")).toEqual(["0 wait, 0 dead"]);
});

test("a service with keys serves the client that it knows", async () => {
  for (const name of ["shop", "alice"]) {
    const { publicKey, secretKey } = curveKeyPair();
    writeFileSync(join(folder, `${name}.secret`), `${secretKey}\n`, { mode: 0o600 });
    writeFileSync(join(folder, `${name}.pub`), publicKey);
  }
  const keys = ["--curve-secret-key-file", join(folder, "shop.secret"), "--curve-allow", join(folder, "alice.pub")];
  const args = ["--port", "0", "--admin-port", "0", ...keys];
  const { endpoint } = await startChild({ program: program("shop-service.ts"), args }).listening;
  const client = startChild({
    program: program("sealed-client.ts"),
    args: [endpoint, join(folder, "shop.pub"), join(folder, "alice.secret")],
  });
  expect(await client.exit, client.stderr()).toEqual({ code: 0, signal: null });
  expect(client.other).toEqual(["2"]);
});

test("streams go out, in, and both ways", async () => {
  const { endpoint } = await startChild({ program: program("numbers.ts") }).listening;
  const source = readFileSync(join(folder, "numbers-client.ts"), "utf8");
  const client = startChild({ program: source.replace("tcp://127.0.0.1:5555", endpoint) });
  expect(await client.exit, client.stderr()).toEqual({ code: 0, signal: null });
  expect(client.other).toEqual(["1", "2", "3", "done", "6", "2", "4", "6"]);
});

test("a subscriber gets what its service publishes", async () => {
  const source = readFileSync(join(folder, "shop-events.ts"), "utf8");
  const own = source.replace('("shop");', '("shop", { endpoints: [running.endpoint] });');
  expect(own).not.toBe(source);
  const child = startChild({ program: own });
  const client = connect("shop", { endpoints: [(await child.listening).endpoint] });
  // At most once: what is published before the loop is subscribed is nobody's.
  await expect.poll(() => client.call("buy", "tea")).toBe("sent");
  await expect.poll(() => child.other).toContain("sold tea 0");
  await client.close();
});

test("the tests of the testing guide pass", () => {
  const tests = spawnSync(process.execPath, ["--test", join(folder, "stock.test.ts")], { encoding: "utf8" });
  expect(tests.stdout).toContain("pass 3");
  expect(tests.status).toBe(0);
});
