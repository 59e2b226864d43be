// Clean-up of pods with the real API, in virtual time.
import { type Pod, resources, type Stored } from "@wherry/kube";
import { expect, test } from "vitest";
import { startTestCluster } from "../cluster.suite.ts";
import { planPodSweep } from "./plan.ts";

const namespace = "default";
const spec = { containers: [{ name: "x", image: "x" }] };

test("pods of a node that is gone are given up after a while, and made anew elsewhere", async () => {
  await using cluster = await startTestCluster();
  const { client } = cluster;
  const template = { metadata: { labels: { app: "x" } }, spec };
  await client.create(resources.replicasets, {
    metadata: { name: "x", namespace },
    spec: { replicas: 4, selector: { matchLabels: { app: "x" } }, template },
  });
  await cluster.settle();
  await client.delete(resources.nodes, { name: "node-0" });
  await cluster.settle();
  expect(
    (await client.list(resources.pods, { namespace })).items.filter((pod) => pod.spec?.nodeName === "node-0"),
  ).toHaveLength(2);
  await cluster.until(
    "four pods on the node that is left",
    async () => {
      const { items } = await client.list(resources.pods, { namespace });
      return items.length === 4 && items.every((pod) => pod.spec?.nodeName === "node-1");
    },
    120_000,
  );
});

test("a node that comes back in time keeps its pods", async () => {
  await using cluster = await startTestCluster();
  const { client, clock } = cluster;
  await client.create(resources.pods, { metadata: { name: "x", namespace }, spec: { ...spec, nodeName: "node-0" } });
  await cluster.settle();
  const node = await client.get(resources.nodes, "node-0");
  await client.delete(resources.nodes, { name: "node-0" });
  await clock.advance(30_000);
  await client.create(resources.nodes, { metadata: { name: "node-0" }, ...(node.status && { status: node.status }) });
  await clock.advance(120_000);
  await cluster.settle();
  expect((await client.get(resources.pods, "x", namespace)).status?.phase).toBe("Running");
});

test("of ended pods the oldest go when there are too many, and pods to be deleted that run nowhere go at once", () => {
  const pod = (name: string, phase: string, more: Partial<Stored<Pod>["metadata"]> = {}): Stored<Pod> => ({
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: `2026-01-01T00:00:0${name}Z`, ...more },
    status: { phase },
  });
  const pods = [
    pod("3", "Failed"),
    pod("1", "Succeeded"),
    pod("2", "Failed"),
    pod("4", "Running"),
    pod("5", "Pending", { deletionTimestamp: "2026-01-01T00:00:09Z" }),
  ];
  const plan = planPodSweep({ pods, isLost: () => false, terminatedMax: 1 });
  expect(plan.terminated.map(({ metadata }) => metadata.name)).toEqual(["1", "2"]);
  expect(plan.unscheduled.map(({ metadata }) => metadata.name)).toEqual(["5"]);
  expect(plan.orphaned).toEqual([]);
});
