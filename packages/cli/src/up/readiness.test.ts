// When `wherry up` may say that all is up, and what keeps it from that: which trouble is final, which may pass.
import type { ContainerStatus, Deployment, Pod, ReplicaSet, Stored } from "@wherry/kube/types";
import { describe, expect, test } from "vitest";
import { isCurrentSet, isDeploymentReady, isReady, troubles } from "./readiness.ts";

const meta = { name: "x", namespace: "default", uid: "u", resourceVersion: "1" };
const deployment = (status: Deployment["status"]): Stored<Deployment> =>
  ({
    metadata: { ...meta, generation: 2 },
    spec: { replicas: 2, selector: {}, template: {} },
    status,
  }) as Stored<Deployment>;
const pod = (status: Partial<ContainerStatus>, ready = false): Stored<Pod> => ({
  metadata: meta,
  status: {
    conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    containerStatuses: [{ name: "main", image: "i", imageID: "", ready, restartCount: 0, ...status }],
  },
});

describe("a deployment is ready", () => {
  const done = { observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2 };
  test("when all replicas are updated and available, and no old one is left", () => {
    expect(isDeploymentReady(deployment(done))).toBe(true);
  });
  test.each([
    ["not seen by its controller yet", { ...done, observedGeneration: 1 }],
    ["old replicas are left", { ...done, replicas: 3 }],
    ["not all updated", { ...done, updatedReplicas: 1 }],
    ["not all available", { ...done, availableReplicas: 1 }],
    ["no status at all", {}],
  ])("but not while %s", (_, status) => {
    expect(isDeploymentReady(deployment(status))).toBe(false);
  });
});

test("a Deployment's current set is the one that it owns with its template, not the one before it", () => {
  const template = (version: string, labels: object): object => ({
    metadata: { labels: { app: "x", ...labels }, annotations: { version } },
    spec: { containers: [{ name: "main", image: "i" }] },
  });
  const owner = { ...deployment({}), spec: { selector: {}, template: template("2", {}) } } as Stored<Deployment>;
  const set = (version: string, uid = "u"): Stored<ReplicaSet> => ({
    metadata: { ...meta, ownerReferences: [{ controller: true, apiVersion: "", kind: "", name: "x", uid }] },
    spec: { selector: {}, template: template(version, { "pod-template-hash": "abc" }) },
  });
  expect([set("2"), set("1"), set("2", "another")].map((one) => isCurrentSet(one, owner))).toEqual([
    true,
    false,
    false,
  ]);
});

test("a bare pod counts as ready when it is, or has done its work; a replica is its deployment's business", () => {
  expect(isReady({ deployments: [], pods: [pod({}, true)] })).toBe(true);
  expect(isReady({ deployments: [], pods: [pod({})] })).toBe(false);
  const replica = {
    ...pod({}),
    metadata: { ...meta, ownerReferences: [{ controller: true, apiVersion: "", kind: "", name: "", uid: "" }] },
  };
  expect(isReady({ deployments: [], pods: [replica] })).toBe(true);
});

describe("what keeps a pod from getting ready", () => {
  test("an unknown image is final, a crash is not", () => {
    const unknown = pod({ state: { waiting: { reason: "ErrImagePull", message: "names no program" } } });
    const crashing = pod({
      restartCount: 2,
      state: {
        waiting: {
          reason: "CrashLoopBackOff",
          message: "back-off 20s restarting failed container=main pod=x_default(u)",
        },
      },
      lastState: { terminated: { exitCode: 3 } },
    });
    expect(troubles([crashing, unknown])).toMatchObject([
      { reason: "ErrImagePull", final: true, message: "names no program" },
      { reason: "CrashLoopBackOff", final: false, message: "exit code 3, 2 restarts. The next one is after 20s" },
    ]);
  });

  test("being created is no trouble", () => {
    expect(troubles([pod({ state: { waiting: { reason: "ContainerCreating" } } })])).toEqual([]);
  });
});
