// How objects go, and what else changes a pod: deletion, finalizers, binding, scale.
import { type Pod, resources, type Stored } from "@wherry/kube";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { at, deployment, pod, refusal } from "./fixtures.suite.ts";
import { type Harness, startApi } from "./harness.suite.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await startApi();
  await harness.client.create(resources.namespaces, { metadata: { name: "default" } });
});
afterEach(() => harness.close());

describe("delete", () => {
  const scheduled = async (name: string, more: Partial<Pod["metadata"]> = {}): Promise<Stored<Pod>> => {
    const { client } = harness;
    await client.create(resources.pods, { ...pod(name), metadata: { name, namespace: "default", ...more } });
    await client.createSubresource(resources.pods, at(name), "binding", {
      target: { kind: "Node", name: "n1" },
    } as never);
    return client.get(resources.pods, name, "default");
  };

  it("removes at once what nothing holds", async () => {
    const { client } = harness;
    await client.create(resources.pods, pod("waiting"));
    await client.delete(resources.pods, at("waiting"));
    expect((await refusal(client.get(resources.pods, "waiting", "default"))).reason).toBe("NotFound");
  });

  it("gives a running pod its grace period, which a later request can only shorten", async () => {
    const { client, clock } = harness;
    const created = await scheduled("a");
    await client.delete(resources.pods, at("a"));
    const going = await client.get(resources.pods, "a", "default");
    expect(going.metadata.deletionGracePeriodSeconds).toBe(30);
    expect(Date.parse(going.metadata.deletionTimestamp ?? "")).toBe(clock.now() + 30_000);
    expect(going.metadata.generation).toBe((created.metadata.generation ?? 0) + 1);
    await client.delete(resources.pods, at("a"), { gracePeriodSeconds: 60 });
    expect((await client.get(resources.pods, "a", "default")).metadata.deletionGracePeriodSeconds).toBe(30);
    await client.delete(resources.pods, at("a"), { gracePeriodSeconds: 5 });
    const sooner = await client.get(resources.pods, "a", "default");
    expect(sooner.metadata.deletionGracePeriodSeconds).toBe(5);
    expect(Date.parse(sooner.metadata.deletionTimestamp ?? "")).toBe(clock.now() + 5000);
    await client.delete(resources.pods, at("a"), {
      gracePeriodSeconds: 0,
      preconditions: { uid: created.metadata.uid },
    });
    expect((await refusal(client.get(resources.pods, "a", "default"))).reason).toBe("NotFound");
  });

  it("keeps what has finalizers until the last one is removed, and takes no new ones", async () => {
    const { client } = harness;
    await client.create(resources.configmaps, {
      metadata: { name: "c", namespace: "default", finalizers: ["example.com/hold"] },
    });
    await client.delete(resources.configmaps, at("c"));
    const held = await client.get(resources.configmaps, "c", "default");
    expect(held.metadata.deletionTimestamp).toBeDefined();
    const more = await refusal(
      client.patch(resources.configmaps, at("c"), "merge", { metadata: { finalizers: ["example.com/hold", "x.y/z"] } }),
    );
    expect(more.httpStatus).toBe(422);
    await client.patch(resources.configmaps, at("c"), "merge", { metadata: { finalizers: null } });
    expect((await refusal(client.get(resources.configmaps, "c", "default"))).reason).toBe("NotFound");
  });

  it("leaves the garbage collector's finalizers for foreground and orphan deletion", async () => {
    const { client } = harness;
    await client.create(resources.deployments, deployment("a"));
    await client.create(resources.deployments, deployment("b"));
    await client.delete(resources.deployments, at("a"), { propagationPolicy: "Foreground" });
    await client.delete(resources.deployments, at("b"), { propagationPolicy: "Orphan" });
    expect((await client.get(resources.deployments, "a", "default")).metadata.finalizers).toEqual([
      "foregroundDeletion",
    ]);
    expect((await client.get(resources.deployments, "b", "default")).metadata.finalizers).toEqual(["orphan"]);
  });

  it("refuses when a precondition does not hold", async () => {
    const { client } = harness;
    await client.create(resources.pods, pod("a"));
    const problem = await refusal(client.delete(resources.pods, at("a"), { preconditions: { uid: "other" } }));
    expect(problem.reason).toBe("Conflict");
  });

  it("keeps a namespace until it is finalized", async () => {
    const { client } = harness;
    await client.create(resources.namespaces, { metadata: { name: "n" } });
    await client.delete(resources.namespaces, { name: "n" });
    const going = await client.get(resources.namespaces, "n");
    expect(going.status?.phase).toBe("Terminating");
    expect(going.spec?.finalizers).toEqual(["kubernetes"]);
    await harness.api.handle({
      method: "PUT",
      path: ["api", "v1", "namespaces", "n", "finalize"],
      query: new URLSearchParams(),
      headers: {},
      user: { name: "root", groups: ["system:masters"] },
      body: { object: { ...going, spec: { finalizers: [] } } },
      inProcess: true,
      signal: new AbortController().signal,
    });
    expect((await refusal(client.get(resources.namespaces, "n"))).reason).toBe("NotFound");
    expect((await refusal(client.delete(resources.namespaces, { name: "default" }))).reason).toBe("Forbidden");
  });
});

describe("binding", () => {
  it("assigns a pod once", async () => {
    const { client } = harness;
    await client.create(resources.pods, pod("a"));
    const bind = (node: string): Promise<unknown> =>
      client.createSubresource(resources.pods, at("a"), "binding", { target: { kind: "Node", name: node } } as never);
    await bind("n1");
    const bound = await client.get(resources.pods, "a", "default");
    expect(bound.spec?.nodeName).toBe("n1");
    expect(bound.status?.conditions?.find(({ type }) => type === "PodScheduled")?.status).toBe("True");
    expect((await refusal(bind("n2"))).reason).toBe("Conflict");
  });
});

describe("scale", () => {
  it("reads and writes the replicas alone", async () => {
    const { client } = harness;
    await client.create(resources.deployments, deployment("echo"));
    const scaled = await client.patch(resources.deployments, { ...at("echo"), subresource: "scale" }, "merge", {
      spec: { replicas: 5 },
    });
    expect(scaled.kind).toBe("Scale");
    expect((scaled as { status?: { selector?: string } }).status?.selector).toBe("app=echo");
    expect((await client.get(resources.deployments, "echo", "default")).spec?.replicas).toBe(5);
  });
});
