// Timing rules in virtual time, with containers that only say that they run: back-off, probes, grace, and scale.
import { VirtualClock } from "@wherry/core/testing";
import { type Pod, resources } from "@wherry/kube";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProbeResult } from "./probes/handlers.ts";
import { ProbeWorker, type ProbeWorkerOptions } from "./probes/probe-worker.ts";
import { isReady, type TestNode, testNode } from "./test-node.suite.ts";

const main = { name: "main", image: "anything" };

describe("a node with the simulated runtime", () => {
  let node: TestNode;
  let clock: VirtualClock;
  beforeEach(async () => {
    clock = new VirtualClock();
    node = await testNode({ clock, runtime: "simulated" });
  });
  afterEach(async () => {
    await node.stop();
  });
  const status = async (name: string): Promise<Pod["status"]> => (await node.pod(name)).status;
  const ending = (code: number, afterMs: number): NonNullable<Pod["metadata"]> => ({
    name: "pod",
    namespace: "default",
    annotations: {
      "wherry.dev/simulate-exit-code": String(code),
      "wherry.dev/simulate-exit-after-ms": String(afterMs),
    },
  });

  it("backs off 10 s, 20 s, … 300 s, and starts over after ten minutes of running", async () => {
    await node.createPod("pod", { containers: [main] }, ending(1, 1000));
    const startedAt: number[] = [];
    let restarts = -1;
    for (let second = 0; second < 1200; second++) {
      const count = (await status("pod"))?.containerStatuses?.[0]?.restartCount ?? -1;
      if (count > restarts) startedAt.push(second);
      restarts = Math.max(restarts, count);
      await clock.advance(1000);
    }
    const waits = startedAt.slice(1).map((at, index) => at - (startedAt[index] ?? 0) - 1);
    expect(waits.slice(0, 8)).toEqual([0, 10, 20, 40, 80, 160, 300, 300]);
  });

  it("succeeds or fails with what its containers end with", async () => {
    await node.createPod("pod", { restartPolicy: "Never", containers: [main] }, ending(0, 5000));
    await clock.advance(100);
    expect((await status("pod"))?.phase).toBe("Running");
    await clock.advance(6000);
    expect(await status("pod")).toMatchObject({
      phase: "Succeeded",
      containerStatuses: [{ state: { terminated: { exitCode: 0, reason: "Completed" } } }],
    });
  });

  it("restarts on failure only until it succeeds", async () => {
    await node.createPod("pod", { restartPolicy: "OnFailure", containers: [main] }, ending(2, 1000));
    await clock.advance(1500);
    expect(await status("pod")).toMatchObject({ phase: "Running", containerStatuses: [{ restartCount: 1 }] });
  });

  it("adopts what it said runs, with the same start time and count", async () => {
    await node.createPod("pod", { containers: [main] });
    await clock.advance(100);
    const before = await status("pod");
    expect(before?.phase).toBe("Running");
    await node.agent.detach();
    await clock.advance(60_000);
    const restarting = node.restart();
    await clock.advance(10);
    await restarting;
    await clock.advance(100);
    expect(node.agent.adopted).toBe(1);
    expect(await status("pod")).toEqual(before);
  });

  it("holds a thousand pods, each with an address of its own", async () => {
    for (let index = 0; index < 1000; index++) await node.createPod(`pod-${index}`, { containers: [main] });
    await clock.advance(200);
    const pods = (await node.client.list(resources.pods)).items;
    expect(pods.filter(isReady)).toHaveLength(1000);
    expect(new Set(pods.map((pod) => pod.status?.podIP)).size).toBe(1000);
  });
});

describe("a probe over time", () => {
  let clock: VirtualClock;
  let answer: ProbeResult["verdict"];
  let startedAtMs: number;
  const seen: string[] = [];
  const seconds = (): number => (clock.now() - startedAtMs) / 1000;

  beforeEach(() => {
    clock = new VirtualClock();
    startedAtMs = clock.now();
    answer = "success";
    seen.length = 0;
  });
  function worker(options: Partial<ProbeWorkerOptions> & Pick<ProbeWorkerOptions, "type" | "probe">): ProbeWorker {
    const made = new ProbeWorker({
      clock,
      initial: options.type === "liveness",
      startedAtMs,
      run: () => Promise.resolve({ verdict: answer, output: "" }),
      onResult: (success) => seen.push(`${seconds()}: ${success ? "yes" : "no"}`),
      onFailure: () => seen.push(`${seconds()}: failed`),
      onWarning: () => undefined,
      ...options,
    });
    made.start();
    return made;
  }
  const exec = { exec: { command: ["x"] } };

  it("looks at once, then every period, and reports only what changes", async () => {
    const made = worker({ type: "readiness", probe: { ...exec, periodSeconds: 10, failureThreshold: 2 } });
    await clock.advance(25_000);
    answer = "failure";
    await clock.advance(20_000);
    answer = "success";
    await clock.advance(20_000);
    expect(seen).toEqual(["0: yes", "30: failed", "40: failed", "40: no", "50: yes"]);
    made.stop();
  });

  it("waits for the first tick at or after the initial delay", async () => {
    const made = worker({ type: "readiness", probe: { ...exec, periodSeconds: 10, initialDelaySeconds: 11 } });
    await clock.advance(60_000);
    expect(seen).toEqual(["20: yes"]);
    made.stop();
  });

  it("counts consecutive results only, and an error as nothing", async () => {
    const answers: ProbeResult["verdict"][] = ["failure", "success", "failure", "error", "failure", "failure"];
    const made = worker({
      type: "liveness",
      probe: { ...exec, periodSeconds: 1, failureThreshold: 3 },
      run: () => Promise.resolve({ verdict: answers.shift() ?? "success", output: "" }),
    });
    await clock.advance(10_000);
    expect(seen).toEqual(["0: failed", "2: failed", "4: failed", "5: failed", "5: no"]);
    made.stop();
  });

  it("looks for a starting program more often than the period, and counts none of these looks as a failure", async () => {
    answer = "failure";
    let looks = 0;
    const made = worker({
      type: "readiness",
      probe: { tcpSocket: { port: 1 }, periodSeconds: 10 },
      run: () => {
        looks++;
        return Promise.resolve({ verdict: answer, output: "" });
      },
    });
    await clock.advance(170);
    answer = "success";
    await clock.advance(30);
    // Not even a warning: a program that takes a moment to start does nothing wrong.
    expect(seen).toEqual(["0.18: yes"]);
    const after = looks;
    await clock.advance(9_000);
    expect(looks).toBe(after);
    // What fails at the period's end is said, as ever.
    answer = "failure";
    await clock.advance(1_000);
    expect(seen).toEqual(["0.18: yes", "10: failed"]);
    made.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it("ends a startup probe with its first success, and a liveness probe with its failure", async () => {
    const startup = worker({ type: "startup", probe: { ...exec, periodSeconds: 1 } });
    await clock.advance(5_000);
    expect(seen).toEqual(["0: yes"]);
    seen.length = 0;
    answer = "failure";
    const liveness = worker({
      type: "liveness",
      probe: { ...exec, periodSeconds: 1, failureThreshold: 1 },
      startedAtMs: clock.now(),
    });
    await clock.advance(5_000);
    expect(seen.map((line) => line.split(" ")[1])).toEqual(["failed", "no"]);
    startup.stop();
    liveness.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
