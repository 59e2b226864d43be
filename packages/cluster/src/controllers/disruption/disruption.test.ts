// PodDisruptionBudgets: what their status says, and what an eviction is answered; with the real API and loops, in virtual time.
import { type Pod, type PodDisruptionBudget, resources, StatusError, type Stored } from "@wherry/kube";
import { describe, expect, test } from "vitest";
import { startTestCluster, type TestCluster, type TestClusterOptions } from "../cluster.suite.ts";
import { echo, namespace, pods, rolledOut, setImage } from "../echo.suite.ts";

const name = "echo";
const selector = { matchLabels: { app: "echo" } };
type Spec = NonNullable<PodDisruptionBudget["spec"]>;

/** Three ready pods of `echo`, and a budget of them. */
async function withBudget(spec: Partial<Spec>, options: TestClusterOptions = {}): Promise<TestCluster> {
  const cluster = await startTestCluster(options);
  await cluster.client.create(resources.deployments, echo());
  if (options.isReady === undefined) await rolledOut(cluster);
  const metadata = { name, namespace };
  await cluster.client.create(resources.poddisruptionbudgets, { metadata, spec: { selector, ...spec } });
  await cluster.settle();
  return cluster;
}
const budgetOf = ({ client }: TestCluster): Promise<Stored<PodDisruptionBudget>> =>
  client.get(resources.poddisruptionbudgets, name, namespace);
async function counts(cluster: TestCluster): Promise<unknown[]> {
  const { currentHealthy, desiredHealthy, expectedPods, disruptionsAllowed } = (await budgetOf(cluster)).status ?? {};
  return [currentHealthy, desiredHealthy, expectedPods, disruptionsAllowed];
}
/** Undefined when it was let go, else why not. */
async function evict({ client }: TestCluster, pod: string, more: object = {}): Promise<StatusError | undefined> {
  const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: pod, namespace }, ...more };
  try {
    await client.createSubresource(resources.pods, { name: pod, namespace }, "eviction", body);
    return undefined;
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
}
const names = async (cluster: TestCluster): Promise<string[]> =>
  (await pods(cluster))
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata }) => metadata.name);
const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") === true;

describe("a budget's status", () => {
  test.each<[string, Partial<Spec>, unknown[]]>([
    // healthy, wanted healthy, expected, allowed
    ["one may be missing", { maxUnavailable: 1 }, [3, 2, 3, 1]],
    ["none may be missing", { maxUnavailable: 0 }, [3, 3, 3, 0]],
    ["of what may be missing a share is rounded up", { maxUnavailable: "34%" }, [3, 1, 3, 2]],
    ["of what must stay, too", { minAvailable: "34%" }, [3, 2, 3, 1]],
    ["two must stay", { minAvailable: 2 }, [3, 2, 3, 1]],
    ["more must stay than there are", { minAvailable: 5 }, [3, 5, 3, 0]],
    ["an empty selector is all of the namespace", { minAvailable: 1, selector: {} }, [3, 1, 3, 2]],
  ])("%s", async (_, spec, expected) => {
    await using cluster = await withBudget(spec);
    expect(await counts(cluster)).toEqual(expected);
    const { status, metadata } = await budgetOf(cluster);
    expect(status?.observedGeneration).toBe(metadata.generation);
    const allowed = Number(expected[3]) > 0;
    expect(status?.conditions).toMatchObject([
      {
        type: "DisruptionAllowed",
        status: allowed ? "True" : "False",
        reason: allowed ? "SufficientPods" : "InsufficientPods",
      },
    ]);
  });

  test("follows the scale, and counts a rollout's two sets once", async () => {
    // The new version is never ready: both sets keep some pods.
    const isOld = (pod: Stored<Pod>): boolean => pod.spec?.containers[0]?.image === "echo:1";
    await using cluster = await withBudget({ maxUnavailable: "50%" }, { isReady: isOld });
    await cluster.client.patch(resources.deployments, { name, namespace }, "merge", { spec: { replicas: 6 } });
    await rolledOut(cluster);
    await cluster.settle();
    expect(await counts(cluster)).toEqual([6, 3, 6, 3]);
    await setImage(cluster, "echo:2");
    await cluster.settle();
    const images = new Set((await pods(cluster)).map(({ spec }) => spec?.containers[0]?.image));
    expect(images).toEqual(new Set(["echo:1", "echo:2"]));
    expect((await budgetOf(cluster)).status?.expectedPods).toBe(6);
  });

  test("of no pods allows nothing; of pods with an unknown owner neither, and says why", async () => {
    await using cluster = await withBudget({ maxUnavailable: 1, selector: { matchLabels: { app: "none" } } });
    expect(await counts(cluster)).toEqual([0, 0, 0, 0]);
    const ownerReferences = [{ apiVersion: "x.example/v1", kind: "Odd", name: "odd", uid: "1", controller: true }];
    await cluster.client.create(resources.pods, {
      metadata: { name: "odd", namespace, labels: { app: "none" }, ownerReferences },
      spec: { containers: [{ name: "a", image: "a" }] },
    });
    await cluster.settle();
    expect((await budgetOf(cluster)).status).toMatchObject({
      disruptionsAllowed: 0,
      conditions: [{ reason: "SyncFailed", message: 'found no controllers for pod "odd"' }],
    });
  });
});

describe("an eviction", () => {
  test("takes from the budget, marks the pod, and is refused until the next pod is ready", async () => {
    const ready = { all: true };
    await using cluster = await withBudget({ maxUnavailable: 1 }, { isReady: () => ready.all });
    await rolledOut(cluster);
    await cluster.settle();
    const [first = "", second = ""] = await names(cluster);
    const held = (finalizers: readonly string[]): Promise<Stored<Pod>> =>
      cluster.client.patch(resources.pods, { name: first, namespace }, "merge", { metadata: { finalizers } });
    await held(["example.com/hold"]);
    // What comes after it is not ready.
    ready.all = false;
    expect(await evict(cluster, first)).toBeUndefined();
    const { status, metadata } = await cluster.client.get(resources.pods, first, namespace);
    expect(metadata.deletionTimestamp).toBeDefined();
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({ type: "DisruptionTarget", status: "True", reason: "EvictionByEvictionAPI" }),
    );
    await held([]);
    const refused = await evict(cluster, second);
    expect(refused?.status).toMatchObject({
      code: 429,
      reason: "TooManyRequests",
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: {
        causes: [
          {
            reason: "DisruptionBudget",
            message: expect.stringMatching(
              /^The disruption budget echo needs 2 healthy pods and has [23] currently$/,
            ) as string,
          },
        ],
      },
    });
    await cluster.settle();
    expect((await evict(cluster, second))?.httpStatus).toBe(429);
    ready.all = true;
    // The stand-in for the agents looks at a pod when it changes.
    const waiting = (await pods(cluster)).find((pod) => !isReady(pod));
    await cluster.client.patch(resources.pods, { name: waiting?.metadata.name ?? "", namespace }, "merge", {
      metadata: { annotations: { looked: "at" } },
    });
    await cluster.until("the next pod", async () => (await pods(cluster)).filter(isReady).length === 3);
    await cluster.settle();
    expect(await evict(cluster, second)).toBeUndefined();
  });

  test("is let through as soon as the budget is changed", async () => {
    await using cluster = await withBudget({ minAvailable: 3 });
    const [first = ""] = await names(cluster);
    expect((await evict(cluster, first))?.httpStatus).toBe(429);
    const target = { name, namespace };
    await cluster.client.patch(resources.poddisruptionbudgets, target, "merge", { spec: { minAvailable: 2 } });
    // Until its controller has seen that, it is told when to come back.
    const early = await evict(cluster, first);
    if (early !== undefined) expect(early.status.details).toMatchObject({ retryAfterSeconds: 10 });
    await cluster.settle();
    expect(early === undefined ? undefined : await evict(cluster, first)).toBeUndefined();
  });

  test("that is asked for many times at once is granted as often as the budget says", async () => {
    await using cluster = await withBudget({ maxUnavailable: 2 });
    const answers = await Promise.all((await names(cluster)).map((pod) => evict(cluster, pod)));
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(2);
  });

  test("that is only tried takes nothing, nor does one of another pod by the same name", async () => {
    await using cluster = await withBudget({ maxUnavailable: 1 });
    const [first = ""] = await names(cluster);
    expect(await evict(cluster, first, { deleteOptions: { dryRun: ["All"] } })).toBeUndefined();
    expect((await evict(cluster, first, { deleteOptions: { preconditions: { uid: "other" } } }))?.reason).toBe(
      "Conflict",
    );
    await cluster.settle();
    expect(await counts(cluster)).toEqual([3, 2, 3, 1]);
    expect(await names(cluster)).toContain(first);
  });

  test("of a pod that two budgets select is refused", async () => {
    await using cluster = await withBudget({ maxUnavailable: 1 });
    const metadata = { name: "second", namespace };
    await cluster.client.create(resources.poddisruptionbudgets, { metadata, spec: { selector } });
    const [first = ""] = await names(cluster);
    expect((await evict(cluster, first))?.message).toMatch(/more than one PodDisruptionBudget/);
  });

  test.each<[string, Partial<Spec>, number | undefined]>([
    ["is refused while too few are well", {}, 429],
    ["is allowed where the policy says so", { unhealthyPodEvictionPolicy: "AlwaysAllow" }, undefined],
    ["is allowed, and free, while enough are well", { minAvailable: 1 }, undefined],
  ])("of a pod that is not ready %s", async (_, spec, code) => {
    const ill = new Set<string>();
    const isWell = (pod: Stored<Pod>): boolean => {
      if (ill.size < 2) ill.add(pod.metadata.name);
      return !ill.has(pod.metadata.name);
    };
    await using cluster = await withBudget({ minAvailable: 3, ...spec }, { isReady: isWell });
    await cluster.until(
      "three pods",
      async () => (await pods(cluster)).filter(({ status }) => status?.phase === "Running").length === 3,
    );
    await cluster.settle();
    const [first = ""] = ill;
    expect((await evict(cluster, first))?.httpStatus).toBe(code);
    await cluster.settle();
    expect((await budgetOf(cluster)).status?.disruptedPods).toBeUndefined();
  });
});

test("a pod that was evicted and stays is counted again after two minutes, and its node's owner told", async () => {
  await using cluster = await withBudget({ maxUnavailable: 1 });
  const [first = ""] = await names(cluster);
  const { status, ...budget } = await budgetOf(cluster);
  const since = `${new Date(cluster.clock.now()).toISOString().slice(0, 19)}Z`;
  await cluster.client.updateStatus(resources.poddisruptionbudgets, {
    ...budget,
    status: { ...status, disruptedPods: { [first]: since } },
  });
  await cluster.settle();
  expect(await counts(cluster)).toEqual([2, 2, 3, 0]);
  await cluster.clock.advance(121_000);
  await cluster.settle();
  expect(await counts(cluster)).toEqual([3, 2, 3, 1]);
  const events = await cluster.client.list(resources.events, { namespace });
  expect(events.items.map(({ reason }) => reason)).toContain("NotDeleted");
});
