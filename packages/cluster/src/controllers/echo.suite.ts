// For tests: a Deployment `echo`, and what became of it.
import type { Deployment, Pod, ReplicaSet, Stored } from "@wherry/kube";
import { resources } from "@wherry/kube";
import type { TestCluster } from "./cluster.suite.ts";

export const namespace = "default";

export function echo(overrides: Partial<NonNullable<Deployment["spec"]>> = {}, image = "echo:1"): Deployment {
  return {
    metadata: { name: "echo", namespace, labels: { app: "echo" } },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "echo" } },
      template: { metadata: { labels: { app: "echo" } }, spec: { containers: [{ name: "echo", image }] } },
      ...overrides,
    },
  };
}

export async function pods({ client }: TestCluster): Promise<readonly Stored<Pod>[]> {
  return (await client.list(resources.pods, { namespace })).items;
}

export async function sets({ client }: TestCluster): Promise<readonly Stored<ReplicaSet>[]> {
  return (await client.list(resources.replicasets, { namespace })).items;
}

export async function rolledOut(cluster: TestCluster, virtualMs?: number): Promise<Stored<Deployment>> {
  return cluster.until(
    "the rollout",
    async () => {
      const deployment = await cluster.client.get(resources.deployments, "echo", namespace);
      const { status = {}, spec, metadata } = deployment;
      const done =
        status.observedGeneration === metadata.generation &&
        status.replicas === spec?.replicas &&
        status.updatedReplicas === spec?.replicas &&
        status.availableReplicas === spec?.replicas;
      return done && deployment;
    },
    virtualMs,
  );
}

export function conditionsOf(deployment: Deployment): Record<string, string | undefined> {
  return Object.fromEntries(
    (deployment.status?.conditions ?? []).map(({ type, status, reason }) => [type, `${status} ${reason ?? ""}`]),
  );
}

export async function setImage(cluster: TestCluster, image: string): Promise<void> {
  const body = { spec: { template: { spec: { containers: [{ name: "echo", image }] } } } };
  await cluster.client.patch(resources.deployments, { name: "echo", namespace }, "strategic", body);
}

export function revision(set: ReplicaSet): number {
  return Number(set.metadata?.annotations?.["deployment.kubernetes.io/revision"] ?? 0);
}
