// Deployment → ReplicaSets → pods → nodes, with the real API, loops and scheduler, in virtual time.
import { type Pod, resources } from "@wherry/kube";
import { describe, expect, test } from "vitest";
import { startTestCluster } from "./cluster.suite.ts";
import { conditionsOf, echo, namespace, pods, revision, rolledOut, setImage, sets } from "./echo.suite.ts";

describe("a Deployment", () => {
  test("becomes three ready pods on nodes, one ReplicaSet, conditions and events", async () => {
    await using cluster = await startTestCluster();
    await cluster.client.create(resources.deployments, echo());
    const deployment = await rolledOut(cluster);
    await cluster.settle();
    const all = await pods(cluster);
    expect(all.map((pod) => pod.status?.phase)).toEqual(["Running", "Running", "Running"]);
    expect(new Set(all.map((pod) => pod.spec?.nodeName))).toEqual(new Set(["node-0", "node-1"]));
    const [set] = await sets(cluster);
    const hash = set?.metadata.labels?.["pod-template-hash"];
    expect(set?.metadata.name).toBe(`echo-${hash ?? ""}`);
    expect(all.every((pod) => pod.metadata.name.startsWith(`echo-${hash ?? ""}-`))).toBe(true);
    expect(set?.metadata.annotations).toMatchObject({
      "deployment.kubernetes.io/revision": "1",
      "deployment.kubernetes.io/desired-replicas": "3",
      "deployment.kubernetes.io/max-replicas": "4",
    });
    expect(deployment.metadata.annotations).toMatchObject({ "deployment.kubernetes.io/revision": "1" });
    expect(conditionsOf(await rolledOut(cluster))).toEqual({
      Available: "True MinimumReplicasAvailable",
      Progressing: "True NewReplicaSetAvailable",
    });
    const events = await cluster.client.list(resources.events, { namespace });
    const messages = events.items.map(({ reason, message }) => `${reason ?? ""}: ${message ?? ""}`);
    expect(messages).toContain(`ScalingReplicaSet: Scaled up replica set echo-${hash ?? ""} from 0 to 3`);
    expect(messages.filter((message) => message.startsWith("SuccessfulCreate: Created pod: "))).toHaveLength(3);
    expect(messages.filter((message) => message.startsWith("Scheduled: Successfully assigned "))).toHaveLength(3);
  });

  test("rolls to a new template within its bounds, keeps the old set, and goes back on undo", async () => {
    await using cluster = await startTestCluster();
    await cluster.client.create(resources.deployments, echo({ replicas: 4 }));
    await rolledOut(cluster);
    const seen = { most: 0, fewestReady: 4 };
    const watching = new AbortController();
    const watched = (async () => {
      const live = new Map<string, Pod>((await pods(cluster)).map((pod) => [pod.metadata.name, pod]));
      for await (const event of cluster.client.watch(resources.pods, { namespace, signal: watching.signal })) {
        if (event.type === "ERROR" || event.type === "BOOKMARK") continue;
        if (event.type === "DELETED") live.delete(event.object.metadata.name);
        else live.set(event.object.metadata.name, event.object);
        const active = [...live.values()].filter((pod) => pod.metadata?.deletionTimestamp === undefined);
        seen.most = Math.max(seen.most, active.length);
        const ready = active.filter((pod) =>
          pod.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True"),
        );
        seen.fewestReady = Math.min(seen.fewestReady, ready.length);
      }
    })().catch(() => undefined);
    await setImage(cluster, "echo:2");
    await rolledOut(cluster);
    watching.abort();
    await watched;
    expect(seen.most).toBe(5);
    expect(seen.fewestReady).toBeGreaterThanOrEqual(3);
    await cluster.settle();
    const [first, second] = [...(await sets(cluster))].sort((a, b) => revision(a) - revision(b));
    expect([first?.spec?.replicas, second?.spec?.replicas]).toEqual([0, 4]);
    // `kubectl rollout undo` puts the old set's template back, without its hash label.
    await setImage(cluster, "echo:1");
    await rolledOut(cluster);
    await cluster.settle();
    const again = (await sets(cluster)).find(({ metadata }) => metadata.name === first?.metadata.name);
    expect(again?.spec?.replicas).toBe(4);
    expect(again?.metadata.annotations).toMatchObject({
      "deployment.kubernetes.io/revision": "3",
      "deployment.kubernetes.io/revision-history": "1",
    });
    expect(await sets(cluster)).toHaveLength(2);
  });

  test("scales, replaces a deleted pod and a failed one", async () => {
    await using cluster = await startTestCluster();
    await cluster.client.create(resources.deployments, echo());
    await rolledOut(cluster);
    await cluster.client.patch(resources.deployments, { name: "echo", namespace }, "merge", { spec: { replicas: 5 } });
    await rolledOut(cluster);
    expect(await pods(cluster)).toHaveLength(5);
    const [victim, failing] = await pods(cluster);
    await cluster.client.delete(resources.pods, { name: victim?.metadata.name ?? "", namespace });
    await cluster.client.patch(
      resources.pods,
      { name: failing?.metadata.name ?? "", namespace, subresource: "status" },
      "merge",
      {
        status: { phase: "Failed" },
      },
    );
    await cluster.settle();
    await rolledOut(cluster);
    const now = await pods(cluster);
    expect(now.some(({ metadata }) => metadata.uid === victim?.metadata.uid)).toBe(false);
    expect(now.filter((pod) => pod.status?.phase === "Running")).toHaveLength(5);
    await cluster.client.patch(resources.deployments, { name: "echo", namespace }, "merge", { spec: { replicas: 1 } });
    await rolledOut(cluster);
    await cluster.settle();
    expect((await pods(cluster)).filter((pod) => pod.status?.phase === "Running")).toHaveLength(1);
  });

  test("that recreates has no old pod left when the first new one comes", async () => {
    await using cluster = await startTestCluster();
    await cluster.client.create(resources.deployments, echo({ strategy: { type: "Recreate" } }));
    await rolledOut(cluster);
    let mixed = false;
    cluster.onWrite(() => {
      void pods(cluster).then((all) => {
        mixed ||= new Set(all.map((pod) => pod.spec?.containers[0]?.image)).size > 1;
      });
    });
    await setImage(cluster, "echo:2");
    await rolledOut(cluster);
    await cluster.settle();
    expect(mixed).toBe(false);
    expect((await pods(cluster)).map((pod) => pod.spec?.containers[0]?.image)).toEqual(["echo:2", "echo:2", "echo:2"]);
  });

  test("that makes no progress says so after its deadline, and recovers", async () => {
    let broken = true;
    await using cluster = await startTestCluster({
      isReady: (pod) => !broken || pod.spec?.containers[0]?.image !== "echo:2",
    });
    await cluster.client.create(resources.deployments, echo({ progressDeadlineSeconds: 30 }));
    await rolledOut(cluster);
    await setImage(cluster, "echo:2");
    await cluster.until("the deadline", async () => {
      const deployment = await cluster.client.get(resources.deployments, "echo", namespace);
      return conditionsOf(deployment)["Progressing"] === "False ProgressDeadlineExceeded" && deployment;
    });
    // Three old ones are still there: 25 % of 3 may be missing, rounded down to none.
    expect((await pods(cluster)).filter((pod) => pod.spec?.containers[0]?.image === "echo:1")).toHaveLength(3);
    broken = false;
    await setImage(cluster, "echo:3");
    await rolledOut(cluster);
    await cluster.settle();
    expect(conditionsOf(await rolledOut(cluster))["Progressing"]).toBe("True NewReplicaSetAvailable");
  });

  test("waits minReadySeconds before it calls a pod available", async () => {
    await using cluster = await startTestCluster();
    await cluster.client.create(resources.deployments, echo({ minReadySeconds: 10 }));
    await cluster.settle();
    const early = await cluster.client.get(resources.deployments, "echo", namespace);
    expect(early.status).toMatchObject({ readyReplicas: 3, unavailableReplicas: 3 });
    const startMs = cluster.clock.now();
    await rolledOut(cluster);
    expect(cluster.clock.now() - startMs).toBeGreaterThan(8_000);
  });

  test("keeps as many old sets as its history allows", async () => {
    await using cluster = await startTestCluster();
    await cluster.client.create(resources.deployments, echo({ revisionHistoryLimit: 1 }));
    for (const image of ["echo:2", "echo:3", "echo:4"]) {
      await rolledOut(cluster);
      await cluster.settle();
      await setImage(cluster, image);
    }
    await rolledOut(cluster);
    await cluster.settle();
    expect((await sets(cluster)).map((set) => [revision(set), set.spec?.replicas]).sort()).toEqual([
      [3, 0],
      [4, 3],
    ]);
  });

  test("that is paused keeps its pods and scales, and rolls when it is resumed", async () => {
    await using cluster = await startTestCluster();
    await cluster.client.create(resources.deployments, echo());
    await rolledOut(cluster);
    const target = { name: "echo", namespace };
    await cluster.client.patch(resources.deployments, target, "merge", { spec: { paused: true } });
    await setImage(cluster, "echo:2");
    await cluster.client.patch(resources.deployments, target, "merge", { spec: { replicas: 4 } });
    await cluster.settle();
    expect((await pods(cluster)).map((pod) => pod.spec?.containers[0]?.image)).toEqual(Array(4).fill("echo:1"));
    expect(conditionsOf(await cluster.client.get(resources.deployments, "echo", namespace))["Progressing"]).toBe(
      "Unknown DeploymentPaused",
    );
    await cluster.client.patch(resources.deployments, target, "merge", { spec: { paused: false } });
    await cluster.settle();
    await rolledOut(cluster);
    expect((await pods(cluster)).map((pod) => pod.spec?.containers[0]?.image)).toEqual(Array(4).fill("echo:2"));
  });
});
