// Level-triggered means: whichever write fails, is lost on the way back, or is the last one before a crash, the world ends up
// the same. Every write of a roll-out is tried, one by one.
import { type Deployment, resources } from "@wherry/kube";
import { describe, expect, test } from "vitest";
import type { TestCluster } from "./cluster.suite.ts";
import { type Mishap, mishaps, startPerturbed } from "./mishap.suite.ts";

const namespace = "default";

function echo(image: string): Deployment {
  return {
    metadata: { name: "echo", namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "echo" } },
      template: { metadata: { labels: { app: "echo" } }, spec: { containers: [{ name: "echo", image }] } },
    },
  };
}

/** Events may be lost, and what each namespace has is another test's. */
const perturbedKinds = ["deployments", "replicasets", "pods", "endpointslices", "endpoints"];

async function worldAfter(cluster: TestCluster): Promise<unknown> {
  const { client } = cluster;
  await cluster.until(
    "the rollout",
    async () => {
      const { status, metadata } = await client.get(resources.deployments, "echo", namespace);
      return (
        status?.observedGeneration === metadata.generation &&
        status?.updatedReplicas === 2 &&
        status.availableReplicas === 2 &&
        status.replicas === 2
      );
    },
    300_000,
  );
  await cluster.settle();
  const deployment = await client.get(resources.deployments, "echo", namespace);
  const sets = await client.list(resources.replicasets, { namespace });
  const pods = await client.list(resources.pods, { namespace });
  const slices = await client.list(resources.endpointslices, { namespace });
  const endpoints = await client.get(resources.endpoints, "echo", namespace);
  return {
    revision: deployment.metadata.annotations?.["deployment.kubernetes.io/revision"],
    conditions: deployment.status?.conditions
      ?.map(({ type, status, reason }) => `${type} ${status} ${reason ?? ""}`)
      .sort(),
    collisions: deployment.status?.collisionCount,
    sets: sets.items.map(({ metadata, spec, status }) => [
      metadata.name,
      metadata.annotations?.["deployment.kubernetes.io/revision"],
      spec?.replicas,
      status?.availableReplicas ?? 0,
    ]),
    pods: pods.items.map(({ spec, status }) => [spec?.containers[0]?.image, status?.phase]),
    slices: slices.items.map((slice) => (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready).length),
    endpoints: endpoints.subsets?.map(({ addresses }) => addresses?.length),
  };
}

/** Creates, rolls to another image, and tells what is there in the end. */
async function rollout(at: number, mishap: Mishap): Promise<{ readonly world: unknown; readonly hit: boolean }> {
  await using perturbed = await startPerturbed(at, mishap, perturbedKinds);
  const { cluster } = perturbed;
  perturbed.arm();
  await cluster.client.create(resources.services, {
    metadata: { name: "echo", namespace },
    spec: { selector: { app: "echo" }, ports: [{ port: 5555 }] },
  });
  await cluster.client.create(resources.deployments, echo("echo:1"));
  await cluster.settle();
  const containers = [{ name: "echo", image: "echo:2" }];
  const body = { spec: { template: { spec: { containers } } } };
  await cluster.client.patch(resources.deployments, { name: "echo", namespace }, "strategic", body);
  return { world: await worldAfter(cluster), hit: perturbed.hit };
}

describe.each(mishaps)("a write that is %s", (mishap) => {
  test("changes nothing in the end, whichever write it is", async () => {
    const { world: expected } = await rollout(0, mishap);
    expect(expected).toMatchObject({
      revision: "2",
      pods: [
        ["echo:2", "Running"],
        ["echo:2", "Running"],
      ],
      slices: [2],
      endpoints: [2],
    });
    let at = 1;
    for (; ; at++) {
      const { world, hit } = await rollout(at, mishap);
      if (!hit) break;
      expect(world, `write ${at}`).toEqual(expected);
    }
    // A roll-out of two pods takes more writes than this: the loop did not end by mistake.
    expect(at).toBeGreaterThan(30);
  });
});
