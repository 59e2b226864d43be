// Evictions that somebody interferes with: no controller runs here, and the pod is changed between two of the eviction's own writes.
import { type Pod, type PodDisruptionBudget, resources, type Stored } from "@wherry/kube";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openMemoryBackend } from "../store/index.ts";
import type { Backend } from "../store/types.ts";
import { at, pod, refusal } from "./fixtures.suite.ts";
import { type Harness, startApi } from "./harness.suite.ts";

type Kind = "poddisruptionbudgets" | "pods";
let harness: Harness;
/** Runs once, after the next write of this kind, before who wrote goes on. */
let after: { readonly kind: Kind; readonly change: () => Promise<unknown> } | undefined;

/** The store, with somebody who takes the moment between two writes. */
function interrupted(backend: Backend): Backend {
  const put: Backend["put"] = async (key, expected, encode) => {
    const result = await backend.put(key, expected, encode);
    if (after === undefined || !key.includes(`/${after.kind}/`)) return result;
    const { change } = after;
    after = undefined;
    await change();
    return result;
  };
  return new Proxy(backend, {
    get(target, name) {
      if (name === "put") return put;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

beforeEach(async () => {
  after = undefined;
  harness = await startApi({ backend: interrupted(openMemoryBackend()) });
  await harness.client.create(resources.namespaces, { metadata: { name: "default" } });
});
afterEach(() => harness.close());

const evict = (preconditions: { uid?: string; resourceVersion?: string } = {}): Promise<unknown> =>
  harness.client.createSubresource(resources.pods, at("a"), "eviction", {
    ...{ apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "a" } },
    ...(Object.keys(preconditions).length === 0 ? {} : { deleteOptions: { preconditions } }),
  });
const current = (): Promise<Stored<Pod>> => harness.client.get(resources.pods, "a", "default");
const allowed = async (): Promise<number | undefined> =>
  (await harness.client.get(resources.poddisruptionbudgets, "a", "default")).status?.disruptionsAllowed;
const annotate = (): Promise<unknown> =>
  harness.client.patch(resources.pods, at("a"), "merge", { metadata: { annotations: { somebody: "was here" } } });

/** A bound pod that runs, and a budget that allows two disruptions. */
async function running(ready: "True" | "False"): Promise<Stored<Pod>> {
  const { client } = harness;
  await client.create(resources.pods, { ...pod("a"), metadata: { ...at("a"), labels: { app: "a" } } });
  await client.createSubresource(resources.pods, at("a"), "binding", { target: { kind: "Node", name: "n1" } } as never);
  await setReady(ready);
  const budget: PodDisruptionBudget = {
    metadata: at("a"),
    spec: { minAvailable: 1, selector: { matchLabels: { app: "a" } } },
  };
  const created = await client.create(resources.poddisruptionbudgets, budget);
  const counts = { currentHealthy: 3, desiredHealthy: 1, expectedPods: 3, disruptionsAllowed: 2 };
  const { generation } = created.metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  await client.updateStatus(resources.poddisruptionbudgets, { ...created, status: { ...counts, ...observed } });
  return current();
}
async function setReady(status: "True" | "False"): Promise<void> {
  const conditions = [{ type: "Ready", status }];
  await harness.client.updateStatus(resources.pods, { ...(await current()), status: { phase: "Running", conditions } });
}

describe("an eviction", () => {
  it("deletes a pod that has no budget", async () => {
    await harness.client.create(resources.pods, pod("a"));
    await evict();
    expect((await refusal(current())).reason).toBe("NotFound");
  });

  it("of a version that is no more takes nothing of the budget", async () => {
    const { metadata } = await running("True");
    await annotate();
    expect((await refusal(evict({ resourceVersion: metadata.resourceVersion }))).reason).toBe("Conflict");
    expect(await allowed()).toBe(2);
  });

  it("of a version takes one disruption, not two, when the pod changes after its budget", async () => {
    const { metadata } = await running("True");
    after = { kind: "poddisruptionbudgets", change: annotate };
    expect((await refusal(evict({ resourceVersion: metadata.resourceVersion }))).reason).toBe("Conflict");
    expect(await allowed()).toBe(1);
    expect((await current()).metadata.deletionTimestamp).toBeUndefined();
  });

  it("of a version deletes no other, not even one that came after its own mark", async () => {
    const { metadata } = await running("True");
    after = { kind: "pods", change: annotate };
    expect((await refusal(evict({ resourceVersion: metadata.resourceVersion }))).reason).toBe("Conflict");
    expect((await current()).metadata.deletionTimestamp).toBeUndefined();
  });

  it("of a version goes through when nobody interferes: its own mark is no change", async () => {
    const { metadata } = await running("True");
    await evict({ uid: metadata.uid, resourceVersion: metadata.resourceVersion });
    const { status, ...rest } = await current();
    expect(rest.metadata.deletionTimestamp).toBeDefined();
    expect(status?.conditions?.map(({ type }) => type)).toContain("DisruptionTarget");
    expect(await allowed()).toBe(1);
  });

  it("that means any version minds no change", async () => {
    await running("True");
    after = { kind: "poddisruptionbudgets", change: annotate };
    await evict();
    expect((await current()).metadata.deletionTimestamp).toBeDefined();
    expect(await allowed()).toBe(1);
  });

  it("of a pod that was let go for not being ready, and became ready, is told to come again, and took nothing", async () => {
    await running("False");
    after = { kind: "pods", change: () => setReady("True") };
    const refused = await refusal(evict());
    expect(refused.status).toMatchObject({ code: 429, details: { retryAfterSeconds: 10 } });
    expect((await current()).metadata.deletionTimestamp).toBeUndefined();
    expect(await allowed()).toBe(2);
    await evict();
    expect(await allowed()).toBe(1);
  });

  it("of a pod that is not running yet is tried again when that changes, and then takes its disruption", async () => {
    await running("True");
    await harness.client.updateStatus(resources.pods, { ...(await current()), status: { phase: "Pending" } });
    after = { kind: "pods", change: () => setReady("True") };
    await evict();
    expect((await current()).metadata.deletionTimestamp).toBeDefined();
    expect(await allowed()).toBe(1);
  });
});
