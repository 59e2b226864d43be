// Namespaces with the real API, in virtual time.
import { resources, StatusError } from "@wherry/kube";
import { describe, expect, test } from "vitest";
import { startTestCluster, type TestCluster } from "../cluster.suite.ts";
import { terminatingConditions } from "./plan.ts";

async function exists(cluster: TestCluster, name: string): Promise<boolean> {
  try {
    await cluster.client.get(resources.namespaces, name);
    return true;
  } catch (error) {
    if (error instanceof StatusError && error.reason === "NotFound") return false;
    throw error;
  }
}

describe("every namespace", () => {
  test("has a ServiceAccount and the cluster's CA, which come back when they are deleted or changed", async () => {
    await using cluster = await startTestCluster({ scheduler: false, agents: false });
    const { client } = cluster;
    await client.create(resources.namespaces, { metadata: { name: "team" } });
    await cluster.settle();
    const account = await client.get(resources.serviceaccounts, "default", "team");
    await client.delete(resources.serviceaccounts, { name: "default", namespace: "team" });
    const target = { name: "kube-root-ca.crt", namespace: "team" };
    await client.patch(resources.configmaps, target, "merge", { data: { "ca.crt": "forged", more: "x" } });
    await cluster.settle();
    expect((await client.get(resources.configmaps, target.name, "team")).data).toEqual({ "ca.crt": "PEM" });
    expect((await client.get(resources.serviceaccounts, "default", "team")).metadata.uid).not.toBe(
      account.metadata.uid,
    );
    await client.delete(resources.configmaps, target);
    await cluster.settle();
    expect((await client.get(resources.configmaps, target.name, "team")).data).toEqual({ "ca.crt": "PEM" });
  });
});

describe("a namespace that is deleted", () => {
  test("takes its content along, pods first, and leaves the others alone", async () => {
    await using cluster = await startTestCluster();
    const { client } = cluster;
    await client.create(resources.namespaces, { metadata: { name: "team" } });
    const spec = { containers: [{ name: "x", image: "x" }] };
    const template = { metadata: { labels: { app: "x" } }, spec };
    for (const namespace of ["team", "default"]) {
      await client.create(resources.deployments, {
        metadata: { name: "x", namespace },
        spec: { replicas: 2, selector: { matchLabels: { app: "x" } }, template },
      });
      await client.create(resources.configmaps, { metadata: { name: "kept-by-nobody", namespace } });
      await client.create(resources.services, {
        metadata: { name: "x", namespace },
        spec: { selector: { app: "x" }, ports: [{ port: 80 }] },
      });
    }
    await cluster.settle();
    await client.delete(resources.namespaces, { name: "team" });
    await cluster.settle();
    expect(await exists(cluster, "team")).toBe(false);
    for (const resource of [
      resources.pods,
      resources.deployments,
      resources.configmaps,
      resources.endpointslices,
      resources.events,
    ])
      expect((await client.list(resource, { namespace: "team" })).items, resource.plural).toEqual([]);
    expect((await client.list(resources.pods, { namespace: "default" })).items).toHaveLength(2);
  });

  test("waits for a finalizer in it, says so, and goes when that is gone", async () => {
    await using cluster = await startTestCluster({ scheduler: false, agents: false });
    const { client } = cluster;
    await client.create(resources.namespaces, { metadata: { name: "team" } });
    await client.create(resources.configmaps, {
      metadata: { name: "held", namespace: "team", finalizers: ["example.com/held"] },
    });
    await client.delete(resources.namespaces, { name: "team" });
    await cluster.settle();
    const { status } = await client.get(resources.namespaces, "team");
    expect(status?.phase).toBe("Terminating");
    const messages = status?.conditions
      ?.filter((condition) => condition.status === "True")
      .map(({ type, message }) => [type, message]);
    expect(messages).toEqual([
      ["NamespaceContentRemaining", "Some resources are remaining: configmaps. has 1 resource instances"],
      [
        "NamespaceFinalizersRemaining",
        "Some content in the namespace has finalizers remaining: example.com/held in 1 resource instances",
      ],
    ]);
    await client.patch(resources.configmaps, { name: "held", namespace: "team" }, "merge", {
      metadata: { finalizers: null },
    });
    await cluster.settle();
    expect(await exists(cluster, "team")).toBe(false);
  });

  test("keeps the time since when each condition has held", () => {
    const first = terminatingConditions({}, [], undefined, Date.UTC(2026, 0, 1));
    const later = terminatingConditions({ status: { conditions: first } }, [], "no", Date.UTC(2026, 0, 2));
    expect(later.map(({ lastTransitionTime }) => lastTransitionTime?.slice(0, 10))).toEqual([
      "2026-01-01",
      "2026-01-01",
      "2026-01-02",
      "2026-01-01",
      "2026-01-01",
    ]);
  });
});
