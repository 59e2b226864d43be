// The scheduler with the real API, in virtual time.
import { WherryError } from "@wherry/core";
import { type Pod, type PodSpec, resources, type Stored } from "@wherry/kube";
import type { Transport } from "@wherry/kube/client";
import { describe, expect, test } from "vitest";
import { startTestCluster, type TestCluster, testNode } from "../controllers/cluster.suite.ts";

const namespace = "default";
const only = { controllers: false, agents: false } as const;

function create(
  { client }: TestCluster,
  name: string,
  spec: Partial<PodSpec> = {},
  requests: Record<string, string> = {},
): Promise<Stored<Pod>> {
  const containers = [{ name: "c", image: "i", resources: { requests } }];
  return client.create(resources.pods, { metadata: { name, namespace }, spec: { containers, ...spec } });
}

async function nodeOf({ client }: TestCluster, name: string): Promise<string | undefined> {
  return (await client.get(resources.pods, name, namespace)).spec?.nodeName;
}

async function scheduled({ client }: TestCluster, name: string): Promise<unknown> {
  const { status } = await client.get(resources.pods, name, namespace);
  const condition = status?.conditions?.find(({ type }) => type === "PodScheduled");
  return [condition?.status, condition?.reason, condition?.message].filter((part) => part !== undefined && part !== "");
}

describe("a pod that fits nowhere", () => {
  test("says so, with an event, and is bound when a pod makes room", async () => {
    await using cluster = await startTestCluster(only);
    await create(cluster, "a", {}, { cpu: "6" });
    await create(cluster, "b", {}, { cpu: "6" });
    await create(cluster, "c", {}, { cpu: "6" });
    await cluster.settle();
    expect(new Set([await nodeOf(cluster, "a"), await nodeOf(cluster, "b")])).toEqual(new Set(["node-0", "node-1"]));
    expect(await nodeOf(cluster, "c")).toBeUndefined();
    const message = "0/2 nodes are available: 2 Insufficient cpu.";
    expect(await scheduled(cluster, "c")).toEqual(["False", "Unschedulable", message]);
    const { items } = await cluster.client.list(resources.events, { namespace });
    expect(items.map((event) => [event.reason, event.type, event.message])).toContainEqual([
      "FailedScheduling",
      "Warning",
      message,
    ]);
    await cluster.client.delete(resources.pods, { name: "a", namespace }, { gracePeriodSeconds: 0 });
    await cluster.until("a place for c", () => nodeOf(cluster, "c"));
    expect(await scheduled(cluster, "c")).toEqual(["True"]);
  });

  test.each<[string, (cluster: TestCluster) => Promise<unknown>]>([
    [
      "an ended pod",
      ({ client }) =>
        client.patch(resources.pods, { name: "a", namespace, subresource: "status" }, "merge", {
          status: { phase: "Succeeded" },
        }),
    ],
    ["a new node", ({ client }) => client.create(resources.nodes, testNode("node-2"))],
    [
      "a node that grows",
      ({ client }) => {
        const capacity = { cpu: "64", memory: "64Gi", pods: "110" };
        return client.patch(resources.nodes, { name: "node-0", subresource: "status" }, "merge", {
          status: { capacity, allocatable: capacity },
        });
      },
    ],
  ])("is bound when room comes from %s", async (_what, make) => {
    await using cluster = await startTestCluster(only);
    for (const name of ["a", "b", "c"]) await create(cluster, name, {}, { cpu: "6" });
    await cluster.settle();
    expect(await nodeOf(cluster, "c")).toBeUndefined();
    await make(cluster);
    await cluster.until("a place for c", () => nodeOf(cluster, "c"));
  });

  test("because all nodes are cordoned is bound when one is uncordoned", async () => {
    await using cluster = await startTestCluster(only);
    for (const name of ["node-0", "node-1"])
      await cluster.client.patch(resources.nodes, { name }, "merge", { spec: { unschedulable: true } });
    await create(cluster, "a");
    await cluster.settle();
    expect(await scheduled(cluster, "a")).toEqual([
      "False",
      "Unschedulable",
      "0/2 nodes are available: 2 node(s) were unschedulable.",
    ]);
    await cluster.client.patch(resources.nodes, { name: "node-1" }, "merge", { spec: { unschedulable: false } });
    expect(await cluster.until("a place", () => nodeOf(cluster, "a"))).toBe("node-1");
  });

  test("does not keep the others waiting", async () => {
    await using cluster = await startTestCluster(only);
    for (let index = 0; index < 20; index++) await create(cluster, `huge-${index}`, {}, { cpu: "100" });
    await create(cluster, "small");
    await cluster.until("a place", () => nodeOf(cluster, "small"), 10);
  });
});

test("a pod with gates waits until they are gone; another scheduler's is left alone", async () => {
  await using cluster = await startTestCluster(only);
  await create(cluster, "gated", { schedulingGates: [{ name: "example.com/later" }] });
  await create(cluster, "foreign", { schedulerName: "other" });
  await cluster.settle();
  expect(await nodeOf(cluster, "gated")).toBeUndefined();
  expect(await scheduled(cluster, "gated")).toEqual([
    "False",
    "SchedulingGated",
    "Scheduling is blocked due to non-empty scheduling gates",
  ]);
  await cluster.client.patch(resources.pods, { name: "gated", namespace }, "merge", {
    spec: { schedulingGates: null },
  });
  await cluster.until("a place", () => nodeOf(cluster, "gated"));
  expect(await nodeOf(cluster, "foreign")).toBeUndefined();
});

test.each(["before", "after"])(
  "a binding whose connection breaks %s it was written is made once, in the end",
  async (when) => {
    let broken = 3;
    const wrapScheduler = (inner: Transport): Transport => ({
      ...inner,
      async request(request) {
        if (request.path.at(-1) !== "binding" || broken === 0) return inner.request(request);
        broken--;
        if (when === "after") await inner.request(request);
        throw new WherryError("expected an answer, the connection broke", {
          code: "KUBE_UNREACHABLE",
          retryable: true,
        });
      },
    });
    await using cluster = await startTestCluster({ ...only, nodes: [testNode("node-0")], wrapScheduler });
    for (const name of ["a", "b", "c"]) await create(cluster, name, {}, { cpu: "3" });
    await cluster.until("two of three on the node", async () => {
      const nodes = await Promise.all(["a", "b", "c"].map((name) => nodeOf(cluster, name)));
      return nodes.filter((node) => node === "node-0").length === 2;
    });
    await cluster.clock.advance(30_000);
    const nodes = await Promise.all(["a", "b", "c"].map((name) => nodeOf(cluster, name)));
    expect(nodes.filter((node) => node === undefined)).toHaveLength(1);
  },
);

test("the more important pod goes first when both wait for the same room", async () => {
  await using cluster = await startTestCluster({ ...only, nodes: [testNode("node-0")], scheduler: true });
  await create(cluster, "filler", {}, { cpu: "6" });
  await cluster.settle();
  await create(cluster, "low", { priority: 1 }, { cpu: "6" });
  await create(cluster, "high", { priority: 100 }, { cpu: "6" });
  await cluster.settle();
  await cluster.clock.advance(20_000);
  await cluster.client.delete(resources.pods, { name: "filler", namespace }, { gracePeriodSeconds: 0 });
  await cluster.until("a place", async () => (await nodeOf(cluster, "high")) ?? (await nodeOf(cluster, "low")));
  await cluster.settle();
  expect([await nodeOf(cluster, "high"), await nodeOf(cluster, "low")]).toEqual(["node-0", undefined]);
});

test("many pods at once never overfill a node, although bindings are written while others are decided", async () => {
  const nodes = Array.from({ length: 5 }, (_, index) => testNode(`node-${index}`));
  await using cluster = await startTestCluster({ ...only, nodes });
  await Promise.all(Array.from({ length: 50 }, (_, index) => create(cluster, `pod-${index}`, {}, { cpu: "1" })));
  await cluster.settle();
  const { items } = await cluster.client.list(resources.pods, { namespace });
  const counts = new Map<string, number>();
  for (const { spec } of items) counts.set(spec?.nodeName ?? "", (counts.get(spec?.nodeName ?? "") ?? 0) + 1);
  expect(Object.fromEntries(counts)).toEqual({
    "node-0": 8,
    "node-1": 8,
    "node-2": 8,
    "node-3": 8,
    "node-4": 8,
    "": 10,
  });
});
