// What clients get from create, get, update and patch, in process and on a memory store.
import { resources } from "@wherry/kube";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { at, deployment, pod, refusal } from "./fixtures.suite.ts";
import { type Harness, startApi } from "./harness.suite.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await startApi();
  await harness.client.create(resources.namespaces, { metadata: { name: "default" } });
});
afterEach(() => harness.close());

describe("create", () => {
  it("gives the object a uid, a creation time, a version, its defaults, and reads back the same", async () => {
    const { client, clock } = harness;
    const created = await client.create(resources.deployments, deployment("echo"));
    expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(Date.parse(created.metadata.creationTimestamp ?? "")).toBe(clock.now());
    expect(created.metadata.generation).toBe(1);
    expect(created.spec?.replicas).toBe(1);
    expect(created.spec?.strategy?.type).toBe("RollingUpdate");
    expect(await client.get(resources.deployments, "echo", "default")).toEqual(created);
  });

  it("refuses a name that is taken", async () => {
    await harness.client.create(resources.pods, pod("a"));
    const problem = await refusal(harness.client.create(resources.pods, pod("a")));
    expect(problem.reason).toBe("AlreadyExists");
    expect(problem.message).toBe('pods "a" already exists');
  });

  it("makes up names that start with generateName", async () => {
    const named = { ...pod(""), metadata: { generateName: "web-", namespace: "default" } };
    const names = await Promise.all(
      Array.from({ length: 50 }, async () => (await harness.client.create(resources.pods, named)).metadata.name),
    );
    expect(new Set(names).size).toBe(50);
    for (const name of names) expect(name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it("says everything that is wrong with an object", async () => {
    const problem = await refusal(
      harness.client.create(resources.pods, {
        metadata: { name: "A_B", namespace: "default" },
        spec: { containers: [] },
      }),
    );
    expect(problem.httpStatus).toBe(422);
    const fields = problem.status.details?.causes?.map((cause) => cause.field) ?? [];
    expect(fields).toContain("metadata.name");
    expect(fields).toContain("spec.containers");
  });

  it("ignores what only the server may set", async () => {
    const created = await harness.client.create(resources.pods, {
      ...pod("a"),
      metadata: {
        name: "a",
        namespace: "default",
        uid: "mine",
        resourceVersion: "77",
        generation: 9,
        deletionTimestamp: "2020-01-01T00:00:00Z",
        managedFields: [{ manager: "me" }],
      },
      status: { phase: "Running" },
    });
    expect(created.metadata.uid).not.toBe("mine");
    expect(created.metadata.resourceVersion).not.toBe("77");
    expect(created.metadata.generation).toBe(1);
    expect(created.metadata.deletionTimestamp).toBeUndefined();
    expect(created.metadata.managedFields).toBeUndefined();
    expect(created.status?.phase).toBe("Pending");
  });

  it("refuses objects in a namespace that is not there, and in one that goes away", async () => {
    const { client } = harness;
    const nowhere = await refusal(
      client.create(resources.pods, { ...pod("a"), metadata: { name: "a", namespace: "no" } }),
    );
    expect(nowhere.message).toBe('namespaces "no" not found');
    await client.create(resources.namespaces, { metadata: { name: "old" } });
    await client.delete(resources.namespaces, { name: "old" });
    const late = await refusal(
      client.create(resources.pods, { ...pod("a"), metadata: { name: "a", namespace: "old" } }),
    );
    expect(late.reason).toBe("Forbidden");
    expect(late.status.details?.causes?.[0]?.reason).toBe("NamespaceTerminating");
  });

  it("stores nothing in a dry run, and says what would be stored", async () => {
    const { client, backend } = harness;
    const before = backend.revision;
    const shown = await client.create(resources.deployments, deployment("echo"), { dryRun: true });
    expect(shown.spec?.replicas).toBe(1);
    expect(backend.revision).toBe(before);
    const missing = await refusal(client.get(resources.deployments, "echo", "default"));
    expect(missing.message).toBe('deployments.apps "echo" not found');
  });

  it("gives pods their service account, their tolerations and their QoS class", async () => {
    const created = await harness.client.create(resources.pods, pod("a"));
    expect(created.spec?.serviceAccountName).toBe("default");
    expect(created.spec?.tolerations?.map(({ key }) => key)).toEqual([
      "node.kubernetes.io/not-ready",
      "node.kubernetes.io/unreachable",
    ]);
    expect(created.status?.qosClass).toBe("BestEffort");
    const unknown = pod("b", { spec: { serviceAccountName: "robot", containers: [{ name: "c", image: "x" }] } });
    expect((await refusal(harness.client.create(resources.pods, unknown))).message).toContain(
      'serviceaccount "robot" not found',
    );
  });
});

describe("update", () => {
  it("refuses a stale version and takes the current one", async () => {
    const { client } = harness;
    const first = await client.create(resources.deployments, deployment("echo"));
    const second = await client.update(resources.deployments, {
      ...first,
      spec: { ...first.spec, replicas: 2 } as never,
    });
    expect(second.spec?.replicas).toBe(2);
    const stale = await refusal(
      client.update(resources.deployments, { ...first, spec: { ...first.spec, replicas: 9 } as never }),
    );
    expect(stale.reason).toBe("Conflict");
    expect(stale.message).toBe(
      'Operation cannot be fulfilled on deployments.apps "echo": the object has been modified; please apply your changes to the latest version and try again',
    );
  });

  it("raises the generation with the spec only", async () => {
    const { client } = harness;
    const first = await client.create(resources.deployments, deployment("echo"));
    const labelled = await client.update(resources.deployments, {
      ...first,
      metadata: { ...first.metadata, labels: { a: "b" } },
    });
    expect(labelled.metadata.generation).toBe(1);
    const scaled = await client.update(resources.deployments, {
      ...labelled,
      spec: { ...labelled.spec, replicas: 3 } as never,
    });
    expect(scaled.metadata.generation).toBe(2);
  });

  it("writes nothing when nothing changes", async () => {
    const { client, backend } = harness;
    const first = await client.create(resources.deployments, deployment("echo"));
    const before = backend.revision;
    expect(await client.update(resources.deployments, first)).toEqual(first);
    expect(await client.patch(resources.deployments, at("echo"), "merge", { spec: { replicas: 1 } })).toEqual(first);
    expect(backend.revision).toBe(before);
  });

  it("keeps spec and status apart", async () => {
    const { client } = harness;
    const first = await client.create(resources.deployments, deployment("echo"));
    const status = { replicas: 4, observedGeneration: 1 };
    const updated = await client.updateStatus(resources.deployments, {
      ...first,
      spec: { ...first.spec, replicas: 50 } as never,
      status,
    });
    expect(updated.status?.replicas).toBe(4);
    expect(updated.spec?.replicas).toBe(1);
    expect(updated.metadata.generation).toBe(1);
    const main = await client.update(resources.deployments, { ...updated, status: { replicas: 99 } });
    expect(main.status?.replicas).toBe(4);
  });

  it("serializes concurrent unconditional patches: none is lost", async () => {
    const { client } = harness;
    await client.create(resources.configmaps, { metadata: { name: "c", namespace: "default" }, data: {} });
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        client.patch(resources.configmaps, at("c"), "merge", { data: { [`k${index}`]: "v" } }),
      ),
    );
    const { data } = await client.get(resources.configmaps, "c", "default");
    expect(Object.keys(data ?? {})).toHaveLength(40);
  });

  it("lets only the holder of the current version win", async () => {
    const { client } = harness;
    const first = await client.create(resources.configmaps, { metadata: { name: "c", namespace: "default" } });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) =>
        client.update(resources.configmaps, { ...first, data: { winner: String(index) } }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
});

describe("patch", () => {
  it("merges containers by name in a strategic merge patch", async () => {
    const { client } = harness;
    await client.create(resources.deployments, deployment("echo"));
    const patched = await client.patch(resources.deployments, at("echo"), "strategic", {
      spec: { template: { spec: { containers: [{ name: "c", image: "echo:two" }] } } },
    });
    expect(patched.spec?.template.spec?.containers[0]).toMatchObject({ name: "c", image: "echo:two" });
  });

  it("treats a version in the patch as a precondition", async () => {
    const { client } = harness;
    const first = await client.create(resources.deployments, deployment("echo"));
    await client.patch(resources.deployments, at("echo"), "merge", { spec: { replicas: 2 } });
    const stale = await refusal(
      client.patch(resources.deployments, at("echo"), "merge", {
        metadata: { resourceVersion: first.metadata.resourceVersion },
        spec: { replicas: 3 },
      }),
    );
    expect(stale.reason).toBe("Conflict");
  });

  it("refuses a json patch whose test fails, and server-side apply", async () => {
    const { client } = harness;
    await client.create(resources.deployments, deployment("echo"));
    const failed = await refusal(
      client.patch(resources.deployments, at("echo"), "json", [{ op: "test", path: "/spec/replicas", value: 7 }]),
    );
    expect(failed.httpStatus).toBe(422);
    const apply = await refusal(client.patch(resources.deployments, at("echo"), "apply", deployment("echo")));
    expect(apply.httpStatus).toBe(415);
    expect(apply.message).toContain("application/strategic-merge-patch+json");
  });

  it("never changes a prototype", async () => {
    const { client } = harness;
    await client.create(resources.configmaps, { metadata: { name: "c", namespace: "default" } });
    const evil = JSON.parse('{"data":{"__proto__":"x","a":"b"},"__proto__":{"polluted":true}}') as unknown;
    await client.patch(resources.configmaps, at("c"), "merge", evil).catch(() => undefined);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});
