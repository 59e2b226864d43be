// Without a BROKER_URL, the pods of a cluster and the programs beside it mean the same file, wherever the cluster keeps its state;
// two clusters on a machine never share one.
import { existsSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root, Session } from "../support/session.ts";

// Its own WHERRY_HOME, which pods are not handed.
const session = new Session();
const folder = session.folder("orders");
const clusters = ["a", "b"] as const;

beforeAll(async () => {
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }');
  writeFileSync(
    join(folder, "orders.ts"),
    `import { run, service, ServiceError } from "@wherry/service";
await run(service("orders", { methods: { order: { durable: true, handler: (item) => {
  throw new ServiceError("SHUT", \`\${item} in \${process.env.WHERRY_CLUSTER_DIR?.split("/").at(-1)}\`);
} } } }));`,
  );
  writeFileSync(
    join(folder, "place.ts"),
    `import { connect } from "@wherry/service";
await using client = connect("orders", { durable: ["order"] });
await client.call("order", process.argv[2]);`,
  );
  for (const name of clusters) {
    const { code, stdout, stderr } = await session.run("up", join(folder, "orders.ts"), "--detach", "--name", name);
    expect(code, stdout + stderr).toBe(0);
  }
});
afterAll(async () => {
  for (const name of clusters) await session.run("down", "--purge", "--name", name);
  await session.close();
});

const letters = async (name: string): Promise<string> =>
  (await session.run("dead-letters", "orders", "order", "--name", name)).stdout;

test("a program outside calls the cluster that KUBECONFIG or WHERRY_NAME means, and no other", async () => {
  const place = async (item: string, env: Record<string, string>): Promise<void> => {
    const { code, stderr } = await session.start(process.execPath, [join(folder, "place.ts"), item], env).finished;
    expect(code, stderr).toBe(0);
  };
  // As from another terminal, which knows nothing of the cluster's WHERRY_HOME but its kubeconfig.
  await place("boat", { KUBECONFIG: join(session.home, "a", "kubeconfig"), WHERRY_HOME: "" });
  await place("oar", { KUBECONFIG: "", WHERRY_NAME: "b" });
  await expect.poll(() => letters("a"), { interval: 500 }).toMatch(/SHUT +boat in a$/m);
  await expect.poll(() => letters("b"), { interval: 500 }).toMatch(/SHUT +oar in b$/m);
  expect(await letters("a")).not.toContain("oar");
  expect(existsSync(join(session.home, "default"))).toBe(false);
});

test("from a shell a call that is made again with its key is the same call", async () => {
  const order = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await session.run("call", "orders", "order", "mast", "--name", "b", ...args);
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  expect(await order("--key", "order-7")).toMatchObject({ duplicate: false });
  expect(await order("--key", "order-7")).toMatchObject({ duplicate: true });
  expect(await order("--key", "order-8")).toMatchObject({ duplicate: false });
});
