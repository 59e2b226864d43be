// The plan of a Deployment, as the pure function that it is: a roll-out keeps its bounds whatever pods do, scaling in its midst is shared
// out, and a plan is made once.
import fc from "fast-check";
import type { Deployment, ReplicaSet, Stored } from "@wherry/kube";
import { describe, expect, test } from "vitest";
import { boundsOf } from "./bounds.ts";
import { type DeploymentPlan, planDeployment } from "./plan.ts";

const nowMs = Date.UTC(2026, 0, 1);

function deploymentOf(spec: Partial<NonNullable<Deployment["spec"]>> = {}, image = "a"): Stored<Deployment> {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "d", namespace: "n", uid: "d-uid", resourceVersion: "1", generation: 1 },
    spec: {
      replicas: 3,
      progressDeadlineSeconds: 600,
      selector: { matchLabels: { app: "d" } },
      template: { metadata: { labels: { app: "d" } }, spec: { containers: [{ name: "c", image }] } },
      ...spec,
    },
  };
}

/** A Deployment with its sets, where plans are carried out at once. Availability is the test's to say. */
class Simulation {
  deployment: Stored<Deployment>;
  sets: Stored<ReplicaSet>[] = [];
  /** What is really available of each set, by name: its status may lag. */
  readonly available = new Map<string, number>();
  #created = 0;

  constructor(deployment: Stored<Deployment>) {
    this.deployment = deployment;
  }

  step(): DeploymentPlan {
    const plan = planDeployment({ deployment: this.deployment, sets: this.sets, podsOf: () => [], nowMs });
    for (const action of plan.actions) {
      if (action.type === "createSet") this.#create(action.set);
      else if (action.type === "updateSet") this.#replace(action.set);
      else if (action.type === "deleteSet")
        this.sets = this.sets.filter((set) => set.metadata.uid !== action.set.metadata.uid);
      else {
        const annotations = { "deployment.kubernetes.io/revision": action.revision };
        this.deployment = { ...this.deployment, metadata: { ...this.deployment.metadata, annotations } };
      }
    }
    this.deployment = { ...this.deployment, status: plan.status };
    return plan;
  }

  #create(set: ReplicaSet): void {
    const name = set.metadata?.name ?? "";
    this.#created++;
    const creationTimestamp = new Date(nowMs - 1e6 + this.#created * 1000).toISOString();
    const metadata = {
      ...set.metadata,
      name,
      uid: `uid-${name}`,
      resourceVersion: "1",
      generation: 1,
      creationTimestamp,
    };
    this.sets = [...this.sets, { ...set, metadata }];
    this.available.set(name, 0);
  }

  #replace(next: Stored<ReplicaSet>): void {
    this.sets = this.sets.map((set) => (set.metadata.uid === next.metadata.uid ? next : set));
    // The ReplicaSet deletes pods that aren't available first.
    const { name } = next.metadata;
    this.available.set(name, Math.min(this.available.get(name) ?? 0, next.spec?.replicas ?? 0));
  }

  /** `more` pods of a set become available. */
  becomeReady(index: number, more: number): void {
    const set = this.sets[index % Math.max(1, this.sets.length)];
    if (set === undefined) return;
    const { name } = set.metadata;
    this.available.set(name, Math.min(set.spec?.replicas ?? 0, (this.available.get(name) ?? 0) + more));
  }

  /** A set's status catches up with the truth. */
  report(index: number): void {
    const target = this.sets[index % Math.max(1, this.sets.length)];
    this.sets = this.sets.map((set) => {
      if (set !== target) return set;
      const available = this.available.get(set.metadata.name) ?? 0;
      const replicas = set.spec?.replicas ?? 0;
      return {
        ...set,
        status: { replicas, readyReplicas: available, availableReplicas: available, observedGeneration: 1 },
      };
    });
  }

  setImage(image: string): void {
    const { spec } = deploymentOf({}, image);
    this.deployment = {
      ...this.deployment,
      spec: { ...this.deployment.spec, template: spec?.template ?? {} } as never,
    };
  }

  get desired(): number {
    return this.sets.reduce((sum, set) => sum + (set.spec?.replicas ?? 0), 0);
  }

  get availableNow(): number {
    return [...this.available.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Everything becomes ready and reports, until nothing moves. */
  finish(): void {
    for (let round = 0; round < 500; round++) {
      for (let index = 0; index < this.sets.length; index++) {
        this.becomeReady(index, 1000);
        this.report(index);
      }
      const plan = this.step();
      if (plan.actions.length === 0 && !plan.statusChanged) return;
    }
    throw new Error("the rollout never ends");
  }
}

const bound = fc.oneof(
  fc.integer({ min: 0, max: 6 }),
  fc.integer({ min: 0, max: 100 }).map((percent) => `${percent}%`),
);

describe("a rolling update", () => {
  test("never has too many or too few pods, whatever becomes ready when, and always ends", () => {
    const chaos = fc.array(
      fc.oneof(
        fc.constant({ type: "step" as const }),
        fc.record({ type: fc.constant("ready" as const), index: fc.nat(5), more: fc.integer({ min: 1, max: 4 }) }),
        fc.record({ type: fc.constant("report" as const), index: fc.nat(5) }),
        fc.record({ type: fc.constant("image" as const), image: fc.constantFrom("a", "b", "c") }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        bound,
        bound,
        chaos,
        (replicas, maxSurge, maxUnavailable, events) => {
          const world = new Simulation(
            deploymentOf({
              replicas,
              strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } },
            }),
          );
          world.finish();
          const bounds = boundsOf(world.deployment);
          expect(world.availableNow).toBe(replicas);
          for (const event of events) {
            if (event.type === "step") world.step();
            else if (event.type === "ready") world.becomeReady(event.index, event.more);
            else if (event.type === "report") world.report(event.index);
            else world.setImage(event.image);
            expect(world.desired).toBeLessThanOrEqual(replicas + bounds.maxSurge);
            expect(world.availableNow).toBeGreaterThanOrEqual(replicas - bounds.maxUnavailable);
          }
          world.finish();
          const active = world.sets.filter((set) => (set.spec?.replicas ?? 0) > 0);
          expect(active.map((set) => [set.spec?.replicas, set.spec?.template?.spec?.containers[0]?.image])).toEqual([
            [replicas, world.deployment.spec?.template.spec?.containers[0]?.image],
          ]);
          expect(world.deployment.status?.conditions?.find(({ type }) => type === "Progressing")?.reason).toBe(
            "NewReplicaSetAvailable",
          );
        },
      ),
      { numRuns: 1500 },
    );
  });

  test.each([
    { replicas: 3, maxSurge: "25%", maxUnavailable: "25%", expected: { maxSurge: 1, maxUnavailable: 0 } },
    { replicas: 10, maxSurge: "25%", maxUnavailable: "25%", expected: { maxSurge: 3, maxUnavailable: 2 } },
    { replicas: 2, maxSurge: 0, maxUnavailable: "10%", expected: { maxSurge: 0, maxUnavailable: 1 } },
    { replicas: 100, maxSurge: "7%", maxUnavailable: 0, expected: { maxSurge: 7, maxUnavailable: 0 } },
    { replicas: 1, maxSurge: 0, maxUnavailable: 5, expected: { maxSurge: 0, maxUnavailable: 1 } },
    { replicas: 0, maxSurge: "25%", maxUnavailable: "25%", expected: { maxSurge: 0, maxUnavailable: 0 } },
  ])(
    "of $replicas with surge $maxSurge and unavailable $maxUnavailable resolves to $expected",
    ({ replicas, maxSurge, maxUnavailable, expected }) => {
      const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } };
      expect(boundsOf(deploymentOf({ replicas, strategy }))).toEqual(expected);
    },
  );
});

describe("scaling in the middle of a roll-out", () => {
  test("shares the change out in proportion, the bigger set first", () => {
    // The example of the Kubernetes documentation: 10 replicas, maxSurge 3, maxUnavailable 2; a broken image, then 15 replicas.
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } };
    const world = new Simulation(deploymentOf({ replicas: 10, strategy }));
    world.finish();
    world.setImage("broken");
    for (let round = 0; round < 10; round++) {
      world.step();
      world.report(0);
      world.report(1);
    }
    expect(world.sets.map((set) => set.spec?.replicas)).toEqual([8, 5]);
    world.deployment = { ...world.deployment, spec: { ...world.deployment.spec, replicas: 15 } as never };
    world.step();
    expect(world.sets.map((set) => set.spec?.replicas)).toEqual([11, 7]);
  });

  test("is done once: the next plan of the same world has no more to do", () => {
    const world = new Simulation(deploymentOf({ replicas: 4 }));
    world.finish();
    world.setImage("b");
    world.step();
    world.deployment = { ...world.deployment, spec: { ...world.deployment.spec, replicas: 9 } as never };
    world.step();
    expect(world.desired).toBeLessThanOrEqual(12);
    world.finish();
    expect(world.sets.map((set) => set.spec?.replicas)).toEqual([0, 9]);
  });
});

test("a failing ReplicaSet shows on its Deployment", () => {
  const world = new Simulation(deploymentOf());
  world.step();
  const failure = { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "exceeded quota" };
  world.sets = world.sets.map((set) => ({ ...set, status: { replicas: 0, conditions: [failure] } }));
  world.step();
  expect(world.deployment.status?.conditions).toContainEqual(expect.objectContaining(failure));
});
