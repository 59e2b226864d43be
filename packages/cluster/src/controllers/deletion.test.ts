// A Deployment deleted in the foreground, then its namespace: whichever write fails or is the last one before a crash, in the
// end all of it is gone, and nothing else.
import { kinds, resources, StatusError } from "@wherry/kube";
import { describe, expect, test } from "vitest";
import type { TestCluster } from "./cluster.suite.ts";
import { type Mishap, startPerturbed } from "./mishap.suite.ts";

const namespace = "team";

async function isGone({ client }: TestCluster): Promise<boolean> {
  try {
    await client.get(resources.namespaces, namespace);
    return false;
  } catch (error) {
    if (error instanceof StatusError && error.reason === "NotFound") return true;
    throw error;
  }
}

async function contents({ client }: TestCluster, of: string): Promise<string[]> {
  const found: string[] = [];
  for (const kind of kinds) {
    if (!kind.namespaced || kind.kind === "Event") continue;
    const { items } = await client.list(kind, { namespace: of });
    found.push(...items.map(({ metadata }) => `${kind.kind} ${metadata.name.replace(/-[^-]*-[^-]*$/, "")}`));
  }
  return found.sort();
}

/** @returns whether the write to be hit was made. */
async function deleteAll(at: number, mishap: Mishap): Promise<boolean> {
  const watched = ["namespaces", ...kinds.filter(({ kind }) => kind !== "Event").map(({ plural }) => plural)];
  await using perturbed = await startPerturbed(at, mishap, watched);
  const { cluster } = perturbed;
  const { client } = cluster;
  await client.create(resources.namespaces, { metadata: { name: namespace } });
  const labels = { app: "x" };
  const template = { metadata: { labels }, spec: { containers: [{ name: "x", image: "x" }] } };
  for (const each of [namespace, "default"]) {
    await client.create(resources.services, {
      metadata: { name: "x", namespace: each },
      spec: { selector: labels, ports: [{ port: 80 }] },
    });
    await client.create(resources.deployments, {
      metadata: { name: "x", namespace: each },
      spec: { replicas: 1, selector: { matchLabels: labels }, template },
    });
  }
  await cluster.settle();
  const others = await contents(cluster, "default");
  perturbed.arm();
  await client.delete(resources.deployments, { name: "x", namespace }, { propagationPolicy: "Foreground" });
  await cluster.settle();
  await client.delete(resources.namespaces, { name: namespace });
  await cluster.until("the namespace's end", () => isGone(cluster), 300_000);
  expect(await contents(cluster, namespace), `write ${at}`).toEqual([]);
  expect(await contents(cluster, "default"), `write ${at}`).toEqual(others);
  return perturbed.hit;
}

describe.each<Mishap>(["refused", "the last one before a crash"])("a write that is %s", (mishap) => {
  test("keeps nothing alive, and takes nothing else along", async () => {
    let at = 1;
    while (await deleteAll(at, mishap)) at++;
    // Fewer writes than this don't delete a ReplicaSet, a pod, a namespace and what it has: the loop did not end by mistake.
    expect(at).toBeGreaterThan(8);
  });
});
