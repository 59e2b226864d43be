// Whose pods are whose, what is refused, and what Services see of it; with the real API, in virtual time.
import { forbidden, resources } from "@wherry/kube";
import type { Transport } from "@wherry/kube/client";
import { describe, expect, test } from "vitest";
import { startTestCluster } from "./cluster.suite.ts";
import { conditionsOf, echo, namespace, pods, rolledOut, sets } from "./echo.suite.ts";

describe("a ReplicaSet", () => {
  test("takes up pods that match, and lets go those that no longer do", async () => {
    await using cluster = await startTestCluster();
    const template = { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "x", image: "x" }] } };
    await cluster.client.create(resources.pods, {
      metadata: { name: "stray", namespace, labels: { app: "x" } },
      spec: template.spec,
    });
    await cluster.settle();
    await cluster.client.create(resources.replicasets, {
      metadata: { name: "x", namespace },
      spec: { replicas: 2, selector: { matchLabels: { app: "x" } }, template },
    });
    await cluster.settle();
    const stray = await cluster.client.get(resources.pods, "stray", namespace);
    expect(stray.metadata.ownerReferences).toMatchObject([{ kind: "ReplicaSet", name: "x", controller: true }]);
    expect(await pods(cluster)).toHaveLength(2);
    await cluster.client.patch(resources.pods, { name: "stray", namespace }, "merge", {
      metadata: { labels: { app: "y" } },
    });
    await cluster.settle();
    const released = await cluster.client.get(resources.pods, "stray", namespace);
    expect(released.metadata.ownerReferences ?? []).toEqual([]);
    expect((await pods(cluster)).filter((pod) => pod.metadata.labels?.["app"] === "x")).toHaveLength(2);
  });
});

test("what an orphaning deletion left behind is taken up by the Deployment that is made anew", async () => {
  await using cluster = await startTestCluster();
  await cluster.client.create(resources.deployments, echo());
  await rolledOut(cluster);
  const before = (await pods(cluster)).map(({ metadata }) => metadata.uid).sort();
  await cluster.client.delete(resources.deployments, { name: "echo", namespace }, { propagationPolicy: "Orphan" });
  await cluster.settle();
  expect((await sets(cluster)).map(({ metadata }) => metadata.ownerReferences ?? [])).toEqual([[]]);
  await cluster.client.create(resources.deployments, echo());
  await rolledOut(cluster);
  await cluster.settle();
  expect((await pods(cluster)).map(({ metadata }) => metadata.uid).sort()).toEqual(before);
  expect((await sets(cluster)).map(({ metadata }) => metadata.ownerReferences?.[0]?.name)).toEqual(["echo"]);
});

test("a ReplicaSet's name that is taken by another one makes the Deployment use the next name", async () => {
  await using cluster = await startTestCluster();
  await cluster.client.create(resources.deployments, echo());
  await rolledOut(cluster);
  const [first] = await sets(cluster);
  const name = first?.metadata.name ?? "";
  await cluster.client.delete(resources.deployments, { name: "echo", namespace });
  await cluster.settle();
  const template = { metadata: { labels: { app: "other" } }, spec: { containers: [{ name: "x", image: "x" }] } };
  await cluster.client.create(resources.replicasets, {
    metadata: { name, namespace },
    spec: { replicas: 0, selector: { matchLabels: { app: "other" } }, template },
  });
  await cluster.client.create(resources.deployments, echo());
  const deployment = await rolledOut(cluster);
  expect(deployment.status?.collisionCount).toBe(1);
  expect((await sets(cluster)).map(({ metadata, spec }) => [metadata.name === name, spec?.replicas]).sort()).toEqual([
    [false, 3],
    [true, 0],
  ]);
});

test("pods that are refused show as a condition of ReplicaSet and Deployment, until they are accepted", async () => {
  let refusing = true;
  const wrap = (inner: Transport): Transport => ({
    ...inner,
    async request(request) {
      if (refusing && request.method === "POST" && request.path.at(-1) === "pods")
        throw forbidden(resources.pods, "", "exceeded quota: small");
      return inner.request(request);
    },
  });
  await using cluster = await startTestCluster({ wrap });
  await cluster.client.create(resources.deployments, echo());
  await cluster.until("the condition", async () => {
    const deployment = await cluster.client.get(resources.deployments, "echo", namespace);
    return conditionsOf(deployment)["ReplicaFailure"] === "True FailedCreate";
  });
  const [set] = await sets(cluster);
  expect(set?.status?.conditions).toMatchObject([{ type: "ReplicaFailure", status: "True", reason: "FailedCreate" }]);
  expect(set?.status?.conditions?.[0]?.message).toContain("exceeded quota: small");
  refusing = false;
  await rolledOut(cluster);
  await cluster.settle();
  expect((await sets(cluster))[0]?.status?.conditions ?? []).toEqual([]);
  expect(conditionsOf(await rolledOut(cluster))["ReplicaFailure"]).toBeUndefined();
});

test("endpoints follow the pods: ready ones come, terminating ones go", async () => {
  await using cluster = await startTestCluster();
  await cluster.client.create(resources.services, {
    metadata: { name: "echo", namespace },
    spec: { selector: { app: "echo" }, ports: [{ port: 5555 }] },
  });
  await cluster.client.create(resources.deployments, echo());
  await rolledOut(cluster);
  await cluster.settle();
  const readyNames = async (): Promise<string[]> => {
    const { items } = await cluster.client.list(resources.endpointslices, { namespace });
    return items
      .flatMap(({ endpoints }) => endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready === true)
      .map(({ targetRef }) => targetRef?.name ?? "")
      .sort();
  };
  const names = (await pods(cluster)).map(({ metadata }) => metadata.name).sort();
  expect(await readyNames()).toEqual(names);
  await cluster.client.patch(resources.deployments, { name: "echo", namespace }, "merge", { spec: { replicas: 1 } });
  await rolledOut(cluster);
  await cluster.settle();
  expect(await readyNames()).toEqual((await pods(cluster)).map(({ metadata }) => metadata.name));
  await cluster.client.delete(resources.services, { name: "echo", namespace });
  await cluster.settle();
  expect((await cluster.client.list(resources.endpointslices, { namespace })).items).toEqual([]);
  expect((await cluster.client.list(resources.endpoints, { namespace })).items).toEqual([]);
});
