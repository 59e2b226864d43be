// What comes next for a pod's containers, and what its status says, as plain tables.
import type { Container, ContainerStateTerminated, Pod, PodSpec } from "@wherry/kube";
import { describe, expect, it } from "vitest";
import { decide } from "./decide.ts";
import { type ContainerRecord, recordEnd, recordRestart, recordsOf } from "./record.ts";
import { podStatus } from "./status.ts";

const container = (name: string, more: Partial<Container> = {}): Container => ({ name, image: "i", ...more });
const podOf = (spec: Partial<PodSpec>, status?: Pod["status"]): Pod => ({
  metadata: { name: "p", namespace: "n", uid: "u", generation: 3 },
  spec: { containers: [container("a"), container("b")], ...spec },
  ...(status === undefined ? {} : { status }),
});
const running = (record: ContainerRecord | undefined): void => {
  if (record === undefined) return;
  Object.assign(record, {
    attempt: Math.max(0, record.attempt),
    state: { phase: "running", startedAt: "t" },
    started: true,
    ready: record.kind !== "init",
  });
};
const ended = (record: ContainerRecord | undefined, exitCode: number, atMs = 0): void => {
  if (record === undefined) return;
  record.attempt = Math.max(0, record.attempt);
  const terminated: ContainerStateTerminated = { exitCode, reason: exitCode === 0 ? "Completed" : "Error" };
  recordEnd(record, terminated, 1, atMs);
};
const next = (pod: Pod, records: readonly ContainerRecord[], nowMs = 0) => {
  const decision = decide(pod.spec as PodSpec, records, nowMs);
  return {
    start: decision.start.map((r) => r.name),
    stop: decision.stop.map((r) => r.name),
    outcome: decision.outcome,
    wakeAtMs: decision.wakeAtMs,
  };
};
const nothing = { start: [], stop: [], outcome: undefined, wakeAtMs: undefined };
const phase = (pod: Pod, records: readonly ContainerRecord[]): string | undefined =>
  podStatus({
    pod,
    records,
    podIP: "127.1.64.2",
    hostIP: "127.1.64.1",
    startTime: "t",
    nowMs: 0,
    outcome: next(pod, records).outcome,
  }).phase;

describe("what comes next", () => {
  it("is all app containers at once, when there is nothing before them", () => {
    const pod = podOf({});
    const records = recordsOf(pod);
    expect(next(pod, records)).toEqual({ ...nothing, start: ["a", "b"] });
    expect(phase(pod, records)).toBe("Pending");
  });

  it("is one init container after the other; a sidecar has only to start", () => {
    const pod = podOf({
      initContainers: [container("one"), container("side", { restartPolicy: "Always" }), container("two")],
    });
    const records = recordsOf(pod);
    const [one, side, two] = records;
    expect(next(pod, records).start).toEqual(["one"]);
    running(one);
    expect(next(pod, records)).toEqual(nothing);
    ended(one, 0);
    expect(next(pod, records).start).toEqual(["side"]);
    running(side);
    expect(next(pod, records).start).toEqual(["two"]);
    ended(two, 0);
    expect(next(pod, records).start).toEqual(["a", "b"]);
  });

  // k: getPhase's table (kubernetes-behaviour 2.4).
  it.each([
    ["Always", 0, 0, undefined, "Running"],
    ["Always", 1, 0, undefined, "Running"],
    ["OnFailure", 0, 0, "Succeeded", "Succeeded"],
    ["OnFailure", 1, 0, undefined, "Running"],
    ["Never", 0, 0, "Succeeded", "Succeeded"],
    ["Never", 1, 0, "Failed", "Failed"],
  ])(
    "after all have ended, with policy %s and codes %i, %i: outcome %s, phase %s",
    (restartPolicy, a, b, outcome, expected) => {
      const pod = podOf({ restartPolicy });
      const records = recordsOf(pod);
      ended(records[0], a);
      ended(records[1], b);
      expect(next(pod, records).outcome).toBe(outcome);
      expect(phase(pod, records)).toBe(expected);
    },
  );

  it("is to wait while a container is in back-off, and to say until when", () => {
    const pod = podOf({ containers: [container("a")] });
    const records = recordsOf(pod);
    const [a] = records as [ContainerRecord];
    ended(a, 1, 1000);
    expect(next(pod, records, 1000).start).toEqual(["a"]);
    recordRestart(a);
    ended(a, 1, 2000);
    expect(next(pod, records, 2000)).toEqual({ ...nothing, wakeAtMs: 12_000 });
    expect(next(pod, records, 12_000).start).toEqual(["a"]);
  });

  it("is to stop the sidecars once the app containers are done, and only then to be over", () => {
    const pod = podOf({ restartPolicy: "Never", initContainers: [container("side", { restartPolicy: "Always" })] });
    const records = recordsOf(pod);
    running(records[0]);
    ended(records[1], 0);
    ended(records[2], 0);
    expect(next(pod, records)).toEqual({ ...nothing, stop: ["side"] });
    ended(records[0], 143);
    expect(next(pod, records)).toEqual({ ...nothing, outcome: "Succeeded" });
    // Even one that had failed before is not about to start again.
    const side = records[0] as ContainerRecord;
    side.notBeforeMs = 10_000;
    const facts = { pod, records, podIP: undefined, hostIP: "127.1.64.1", startTime: "t", nowMs: 0 };
    const status = podStatus({ ...facts, outcome: "Succeeded" });
    expect(status.initContainerStatuses?.[0]?.state).toHaveProperty("terminated");
  });
});

describe("the status", () => {
  const statusOf = (pod: Pod, records: readonly ContainerRecord[], nowMs = 0) =>
    podStatus({ pod, records, podIP: "127.1.64.2", hostIP: "127.1.64.1", startTime: "t", nowMs, outcome: undefined });

  it("is the same for the same facts, so that nothing is written twice", () => {
    const pod = podOf({});
    const records = recordsOf(pod);
    running(records[0]);
    const first = statusOf(pod, records, 1000);
    expect(statusOf({ ...pod, status: first }, records, 99_000)).toEqual(first);
  });

  it("names the containers that aren't ready, and moves a transition time only with its condition", () => {
    const pod = podOf({});
    const records = recordsOf(pod);
    running(records[0]);
    const first = statusOf(pod, records, 1000);
    const ready = first.conditions?.find((condition) => condition.type === "Ready");
    expect(ready).toMatchObject({
      status: "False",
      reason: "ContainersNotReady",
      message: "containers with unready status: [b]",
      observedGeneration: 3,
    });
    running(records[1]);
    const second = statusOf({ ...pod, status: first }, records, 5000);
    const times = (type: string): unknown[] =>
      [first, second].map((status) => status.conditions?.find((c) => c.type === type)?.lastTransitionTime);
    expect(times("Ready")).toEqual(["1970-01-01T00:00:01Z", "1970-01-01T00:00:05Z"]);
    expect(times("Initialized")).toEqual(["1970-01-01T00:00:01Z", "1970-01-01T00:00:01Z"]);
    expect(second.conditions?.find((c) => c.type === "Ready")).not.toHaveProperty("reason");
  });

  it("keeps what others wrote, and waits for readiness gates", () => {
    const pod = podOf(
      { readinessGates: [{ conditionType: "gate" }] },
      { conditions: [{ type: "PodScheduled", status: "True", lastTransitionTime: "then" }], qosClass: "Burstable" },
    );
    const records = recordsOf(pod);
    records.forEach(running);
    const closed = statusOf(pod, records);
    expect(closed.qosClass).toBe("Burstable");
    expect(closed.conditions).toContainEqual({ type: "PodScheduled", status: "True", lastTransitionTime: "then" });
    expect(closed.conditions?.find((c) => c.type === "Ready")).toMatchObject({
      status: "False",
      reason: "ReadinessGatesNotReady",
    });
    const open = {
      ...pod,
      status: { ...closed, conditions: [...(closed.conditions ?? []), { type: "gate", status: "True" }] },
    };
    expect(statusOf(open, records).conditions?.find((c) => c.type === "Ready")?.status).toBe("True");
  });
});
