// What clients get from create, get, update, patch and delete, in process and on a memory store.
import { type Deployment, type Pod, resources, type Stored, StatusError } from "@wherry/kube";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Harness, startApi } from "./harness.suite.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await startApi();
  await harness.client.create(resources.namespaces, { metadata: { name: "default" } });
});
afterEach(() => harness.close());

const pod = (name: string, more: Partial<Pod> = {}): Pod => ({
  metadata: { name, namespace: "default" },
  spec: { containers: [{ name: "c", image: "echo:dev" }] },
  ...more,
});

const deployment = (name: string): Deployment => ({
  metadata: { name, namespace: "default" },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "echo:dev" }] } },
  },
});

const refusal = async (work: Promise<unknown>): Promise<StatusError> => {
  const outcome = await work.then(
    () => undefined,
    (problem: unknown) => problem,
  );
  if (outcome instanceof StatusError) return outcome;
  throw new Error(`expected a refusal, got ${String(outcome)}`);
};

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

const at = (name: string): { name: string; namespace: string } => ({ name, namespace: "default" });

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

describe("eviction", () => {
  it("deletes the pod", async () => {
    const { client } = harness;
    await client.create(resources.pods, pod("a"));
    await client.createSubresource(resources.pods, at("a"), "eviction", {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: "a" },
    });
    expect((await refusal(client.get(resources.pods, "a", "default"))).reason).toBe("NotFound");
  });
});
