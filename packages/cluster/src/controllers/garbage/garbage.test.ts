// Garbage collection with the real API, in virtual time.
import { type ConfigMap, resources, type Stored, StatusError } from "@wherry/kube";
import type { Resource } from "@wherry/kube/client";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { startTestCluster, type TestCluster } from "../cluster.suite.ts";

const namespace = "default";

interface Owner {
  readonly name: string;
  readonly uid: string;
  readonly blocks?: boolean;
  readonly kind?: string;
}

function create(
  { client }: TestCluster,
  name: string,
  owners: readonly Owner[] = [],
  extra: { readonly namespace?: string; readonly finalizers?: readonly string[] } = {},
): Promise<Stored<ConfigMap>> {
  const ownerReferences = owners.map(({ name: owner, uid, blocks = false, kind = "ConfigMap" }) => ({
    apiVersion: "v1",
    kind,
    name: owner,
    uid,
    blockOwnerDeletion: blocks,
  }));
  return client.create(resources.configmaps, { metadata: { name, namespace, ownerReferences, ...extra } });
}

const as = ({ metadata }: Stored<ConfigMap>, blocks = false): Owner => ({
  name: metadata.name,
  uid: metadata.uid,
  blocks,
});

async function names({ client }: TestCluster, inNamespace = namespace): Promise<string[]> {
  const { items } = await client.list(resources.configmaps, { namespace: inNamespace });
  return items.map(({ metadata }) => metadata.name).filter((name) => name !== "kube-root-ca.crt");
}

const only = { scheduler: false, agents: false } as const;

describe("when an owner is deleted", () => {
  test("in the background, what it owned follows, down to the last", async () => {
    await using cluster = await startTestCluster(only);
    const owner = await create(cluster, "a");
    const child = await create(cluster, "b", [as(owner)]);
    await create(cluster, "c", [as(child)]);
    await create(cluster, "unrelated");
    await cluster.settle();
    expect(await names(cluster)).toEqual(["a", "b", "c", "unrelated"]);
    await cluster.client.delete(resources.configmaps, { name: "a", namespace }, { propagationPolicy: "Background" });
    await cluster.settle();
    expect(await names(cluster)).toEqual(["unrelated"]);
  });

  test("in the foreground, it waits for what blocks it", async () => {
    await using cluster = await startTestCluster(only);
    const owner = await create(cluster, "a");
    await create(cluster, "b", [as(owner, true)], { finalizers: ["example.com/wait"] });
    await create(cluster, "c", [as(owner)]);
    await cluster.client.delete(resources.configmaps, { name: "a", namespace }, { propagationPolicy: "Foreground" });
    await cluster.settle();
    expect(await names(cluster)).toEqual(["a", "b"]);
    await cluster.client.patch(resources.configmaps, { name: "b", namespace }, "merge", {
      metadata: { finalizers: null },
    });
    await cluster.settle();
    expect(await names(cluster)).toEqual([]);
  });

  test("and its dependents are to stay, they only lose the reference", async () => {
    await using cluster = await startTestCluster(only);
    const owner = await create(cluster, "a");
    const other = await create(cluster, "other");
    await create(cluster, "b", [as(owner, true)]);
    await create(cluster, "c", [as(owner), as(other)]);
    await cluster.settle();
    await cluster.client.delete(resources.configmaps, { name: "a", namespace }, { propagationPolicy: "Orphan" });
    await cluster.settle();
    expect(await names(cluster)).toEqual(["b", "c", "other"]);
    const orphan = await cluster.client.get(resources.configmaps, "b", namespace);
    expect(orphan.metadata.ownerReferences ?? []).toEqual([]);
    const shared = await cluster.client.get(resources.configmaps, "c", namespace);
    expect(shared.metadata.ownerReferences?.map(({ name }) => name)).toEqual(["other"]);
  });

  test("an object with another living owner stays", async () => {
    await using cluster = await startTestCluster(only);
    const [first, second] = [await create(cluster, "a"), await create(cluster, "b")];
    await create(cluster, "c", [as(first), as(second)]);
    await cluster.client.delete(resources.configmaps, { name: "a", namespace });
    await cluster.settle();
    const child = await cluster.client.get(resources.configmaps, "c", namespace);
    expect(child.metadata.ownerReferences?.map(({ name }) => name)).toEqual(["b"]);
    await cluster.client.delete(resources.configmaps, { name: "b", namespace });
    await cluster.settle();
    expect(await names(cluster)).toEqual([]);
  });

  test("and made anew under the same name, the old one's objects go all the same", async () => {
    await using cluster = await startTestCluster(only);
    const owner = await create(cluster, "a");
    await create(cluster, "b", [as(owner)]);
    await cluster.client.delete(resources.configmaps, { name: "a", namespace });
    const again = await create(cluster, "a");
    await create(cluster, "c", [as(again)]);
    await cluster.settle();
    expect(await names(cluster)).toEqual(["a", "c"]);
  });

  test("a circle of owners does not block", async () => {
    await using cluster = await startTestCluster(only);
    const first = await create(cluster, "a");
    const second = await create(cluster, "b", [as(first, true)]);
    const third = await create(cluster, "c", [as(second, true)]);
    const back = { apiVersion: "v1", kind: "ConfigMap", name: "c", uid: third.metadata.uid, blockOwnerDeletion: true };
    await cluster.client.patch(resources.configmaps, { name: "a", namespace }, "merge", {
      metadata: { ownerReferences: [back] },
    });
    await cluster.settle();
    await cluster.client.delete(resources.configmaps, { name: "a", namespace }, { propagationPolicy: "Foreground" });
    await cluster.settle();
    expect(await names(cluster)).toEqual([]);
  });
});

test("exactly what has no living owner left goes, in any web of owners", async () => {
  const web = fc.record({
    owners: fc.array(fc.uniqueArray(fc.nat(11), { maxLength: 3 }), { minLength: 2, maxLength: 12 }),
    deleted: fc.uniqueArray(fc.nat(11), { minLength: 1, maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(web, async ({ owners, deleted }) => {
      await using cluster = await startTestCluster(only);
      const uids: string[] = [];
      for (const index of owners.keys()) uids.push((await create(cluster, `o${index}`)).metadata.uid);
      // References are added afterwards, so that they may point anywhere, in circles too, but at itself.
      const real = owners.map((list, index) => list.filter((owner) => owner < owners.length && owner !== index));
      for (const [index, list] of real.entries()) {
        const ownerReferences = list.map((owner) => ({
          apiVersion: "v1",
          kind: "ConfigMap",
          name: `o${owner}`,
          uid: uids[owner],
        }));
        await cluster.client.patch(resources.configmaps, { name: `o${index}`, namespace }, "merge", {
          metadata: { ownerReferences },
        });
      }
      await cluster.settle();
      const gone = new Set(deleted.filter((index) => index < owners.length));
      for (const index of gone) await cluster.client.delete(resources.configmaps, { name: `o${index}`, namespace });
      for (let before = -1; before !== gone.size; ) {
        before = gone.size;
        for (const [index, list] of real.entries())
          if (list.length > 0 && list.every((owner) => gone.has(owner))) gone.add(index);
      }
      await cluster.settle();
      const left = [...owners.keys()].filter((index) => !gone.has(index)).map((index) => `o${index}`);
      expect(new Set(await names(cluster))).toEqual(new Set(left));
    }),
    { numRuns: 25 },
  );
});

test("what lost its owner while nobody looked goes when the controllers start", async () => {
  await using cluster = await startTestCluster({ ...only, controllers: false });
  const owner = await create(cluster, "a");
  await create(cluster, "b", [as(owner)]);
  await create(cluster, "kept", [{ name: "x", uid: "x", kind: "Unheard" }]);
  await cluster.client.delete(resources.configmaps, { name: "a", namespace });
  expect(await names(cluster)).toEqual(["b", "kept"]);
  cluster.startControllers();
  await cluster.settle();
  // Of a kind that isn't served here nobody can tell whether the owner is there.
  expect(await names(cluster)).toEqual(["kept"]);
});

test("an owner in another namespace is none: the object goes, with a warning, and the owner's own stay", async () => {
  await using cluster = await startTestCluster(only);
  const owner = await create(cluster, "a", [], { namespace: "kube-system" });
  await create(cluster, "own", [as(owner)], { namespace: "kube-system" });
  await create(cluster, "b", [as(owner)]);
  await cluster.settle();
  expect(await names(cluster)).toEqual([]);
  expect(await names(cluster, "kube-system")).toEqual(["a", "own"]);
  const { items } = await cluster.client.list(resources.events, { namespace });
  expect(items.map(({ reason, type }) => [reason, type])).toContainEqual(["OwnerRefInvalidNamespace", "Warning"]);
});

test("a Deployment deleted in the foreground goes last, after its ReplicaSet and pods", async () => {
  await using cluster = await startTestCluster();
  const template = { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "x", image: "x" }] } };
  await cluster.client.create(resources.deployments, {
    metadata: { name: "x", namespace },
    spec: { replicas: 2, selector: { matchLabels: { app: "x" } }, template },
  });
  await cluster.settle();
  const gone: string[] = [];
  const kindsInOrder: readonly Resource[] = [resources.pods, resources.replicasets, resources.deployments];
  const watches = kindsInOrder.map(async (resource) => {
    const abort = new AbortController();
    for await (const event of cluster.client.watch(resource, { namespace, signal: abort.signal }))
      if (event.type === "DELETED") {
        gone.push(resource.kind);
        if (gone.filter((kind) => kind === resource.kind).length === (resource.kind === "Pod" ? 2 : 1)) break;
      }
    abort.abort();
  });
  await cluster.settle();
  await cluster.client.delete(resources.deployments, { name: "x", namespace }, { propagationPolicy: "Foreground" });
  await cluster.settle();
  await Promise.all(watches);
  expect(gone).toEqual(["Pod", "Pod", "ReplicaSet", "Deployment"]);
  await expect(cluster.client.get(resources.deployments, "x", namespace)).rejects.toThrow(StatusError);
});
