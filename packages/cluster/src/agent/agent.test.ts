// Pods of real processes on one node, from spec to status and to the end, over the real API.
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { resources } from "@wherry/kube";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../network/eventually.suite.ts";
import { isReady, type TestNode, testNode } from "./test-node.suite.ts";
import { keptLogs } from "./logs/kept-logs.ts";
import { forever, isRunning, keptText, pidOf, remove, shell, stateOf } from "./test-pods.suite.ts";

let node: TestNode;
beforeEach(async () => {
  node = await testNode();
});
afterEach(async () => {
  await node.stop();
});

const pods = resources.pods;

describe("a pod's life", () => {
  it("runs to Ready, and ends in order when it is deleted", async () => {
    await node.createPod("web", {
      containers: [
        {
          name: "main",
          image: "node",
          args: ["-e", "require('net').createServer((c) => c.end('hi')).listen(8080)"],
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        },
      ],
    });
    const pod = await node.until("web", isReady);
    const { uid } = pod.metadata;
    expect(pod.status).toMatchObject({
      phase: "Running",
      podIP: `${node.net}.64.2`,
      hostIP: `${node.net}.64.1`,
      qosClass: "BestEffort",
      containerStatuses: [
        { name: "main", ready: true, started: true, restartCount: 0, containerID: `wherry://${uid}/main/0` },
      ],
    });
    expect(pod.status?.conditions?.map(({ type, status }) => [type, status])).toEqual(
      expect.arrayContaining([
        ["Initialized", "True"],
        ["Ready", "True"],
        ["ContainersReady", "True"],
        ["PodScheduled", "True"],
        ["PodReadyToStartContainers", "True"],
      ]),
    );
    await remove(node, "web");
    await node.gone("web");
    await eventually(async () => await readdir(join(node.folder, "pods"))).toEqual([]);
    await eventually(async () => await readdir(join(node.folder, "logs", "pods"))).toEqual([]);
  });

  it("leaves its log, which is found by its labels", async () => {
    const said = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    await node.createPod("web", { containers: [shell(said)] }, { labels: { app: "web" } });
    await eventually(async () => await node.log("web").catch(() => "")).toBe("up\n");
    await remove(node, "web");
    await node.gone("web");
    const folder = join(node.folder, "logs", "gone");
    await eventually(async () => await keptLogs(folder)).toMatchObject([{ name: "web", labels: { app: "web" } }]);
    const [kept] = await keptLogs(folder);
    expect(await keptText(folder, kept!)).toBe("up\nbye\n");
  });

  it("is seen as Succeeded or Failed before it is gone", async () => {
    const phases: (string | undefined)[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const event of node.client.watch(pods, { signal: stop.signal })) {
        if (event.type === "ERROR") continue;
        phases.push(event.object.status?.phase);
        if (event.type === "DELETED") return;
      }
    })();
    await node.createPod("web", { containers: [shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done")] });
    await eventually(async () => await node.log("web").catch(() => "")).toBe("up\n");
    await remove(node, "web");
    await watching;
    stop.abort();
    expect(phases.at(-1)).toBe("Succeeded");
  });

  it("gives a program that ignores TERM its grace, then kills it and all it started", async () => {
    await node.createPod("stubborn", {
      terminationGracePeriodSeconds: 1,
      containers: [shell("trap '' TERM; echo $$$$; sleep 300 & sleep 300; sleep 300")],
    });
    const pid = await pidOf(node, "stubborn");
    await remove(node, "stubborn");
    await node.gone("stubborn");
    expect(isRunning(pid)).toBe(false);
  });

  it("ends at once, and everything with it, when it is deleted by force", async () => {
    await node.createPod("web", { containers: [shell(forever)] });
    const pid = await pidOf(node, "web");
    await remove(node, "web", 0);
    await eventually(() => isRunning(pid)).toBe(false);
    await eventually(async () => await readdir(join(node.folder, "pods"))).toEqual([]);
  });

  it("runs preStop before TERM, and both see the whole environment", async () => {
    const file = join(node.folder, "order");
    await node.createPod("web", {
      containers: [
        shell(`trap 'echo term >>${file}; exit 0' TERM; echo up; while :; do sleep 0.05; done`, {
          lifecycle: {
            postStart: { exec: { command: ["sh", "-c", `echo post $POD_NAME >>${file}`] } },
            preStop: { exec: { command: ["sh", "-c", `echo pre >>${file}`] } },
          },
        }),
      ],
    });
    await node.until("web", isReady);
    await eventually(async () => await node.log("web")).toBe("up\n");
    await remove(node, "web");
    await node.gone("web");
    expect(await readFile(file, "utf8")).toBe("post web\npre\nterm\n");
  });

  it("kills a container whose postStart fails", async () => {
    await node.createPod("web", {
      restartPolicy: "Never",
      containers: [shell(forever, { lifecycle: { postStart: { exec: { command: ["false"] } } } })],
    });
    const pod = await node.until("web", (found) => found.status?.phase === "Failed");
    expect(stateOf(pod)?.terminated?.exitCode).toBe(137);
    await eventually(async () => await node.events("web", "FailedPostStartHook")).toHaveLength(1);
  });

  it("runs init containers in order, then a sidecar, then the rest; the sidecar ends last", async () => {
    const file = join(node.folder, "order");
    const say = (what: string): string => `echo ${what} >>${file}`;
    await node.createPod("job", {
      restartPolicy: "Never",
      initContainers: [
        { ...shell(say("one")), name: "one" },
        {
          ...shell(`trap '${say("side-end")}; exit 0' TERM; ${say("side")}; while :; do sleep 0.05; done`),
          name: "side",
          restartPolicy: "Always",
          // The next one starts when this has started, not before.
          startupProbe: { exec: { command: ["grep", "-q", "side", file] }, periodSeconds: 1, timeoutSeconds: 60 },
        },
        { ...shell(say("two")), name: "two" },
      ],
      containers: [shell(`${say("main")}; sleep 0.1; ${say("main-end")}`)],
    });
    const pod = await node.until("job", (found) => found.status?.phase === "Succeeded");
    expect((await readFile(file, "utf8")).trim().split("\n")).toEqual([
      "one",
      "side",
      "two",
      "main",
      "main-end",
      "side-end",
    ]);
    expect(pod.status?.initContainerStatuses?.map((status) => status.name)).toEqual(["one", "side", "two"]);
    expect(pod.status?.conditions?.find((condition) => condition.type === "Ready")).toMatchObject({
      status: "False",
      reason: "PodCompleted",
    });
  });

  it("fails when an init container fails for good, without starting the rest", async () => {
    await node.createPod("job", {
      restartPolicy: "Never",
      initContainers: [{ ...shell("exit 4"), name: "one" }],
      containers: [shell("echo never")],
    });
    const pod = await node.until("job", (found) => found.status?.phase === "Failed");
    expect(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode).toBe(4);
    expect(stateOf(pod)?.waiting?.reason).toBe("PodInitializing");
  });

  it("is failed at its deadline", async () => {
    await node.createPod("job", { activeDeadlineSeconds: 1, restartPolicy: "Never", containers: [shell("sleep 300")] });
    const pod = await node.until("job", (found) => found.status?.phase === "Failed");
    expect(pod.status?.reason).toBe("DeadlineExceeded");
  });
});

describe("what goes wrong", () => {
  it("restarts a crashing container at once, then backs off; the last log stays at hand", async () => {
    await node.createPod("crash", { containers: [shell("echo boom $(date +%N); exit 3")] });
    const pod = await node.until("crash", (found) => stateOf(found)?.waiting?.reason === "CrashLoopBackOff");
    expect(pod.status).toMatchObject({
      phase: "Running",
      containerStatuses: [
        { restartCount: 1, ready: false, lastState: { terminated: { exitCode: 3, reason: "Error" } } },
      ],
    });
    expect(stateOf(pod)?.waiting?.message).toBe(
      `back-off 10s restarting failed container=main pod=crash_default(${pod.metadata.uid})`,
    );
    const [last, previous] = [await node.log("crash"), await node.log("crash", { previous: true })];
    expect([last, previous]).toEqual([expect.stringMatching(/^boom \d+\n$/), expect.stringMatching(/^boom \d+\n$/)]);
    expect(last).not.toBe(previous);
    await eventually(async () => await node.events("crash", "BackOff")).toHaveLength(1);
  });

  it("starts a killed process again in place", async () => {
    await node.createPod("web", { containers: [shell(forever)] });
    const pid = await pidOf(node, "web");
    process.kill(pid, "SIGKILL");
    const pod = await node.until(
      "web",
      (found) => isReady(found) && found.status?.containerStatuses?.[0]?.restartCount === 1,
    );
    expect(pod.status?.containerStatuses?.[0]?.lastState?.terminated).toMatchObject({ exitCode: 137, reason: "Error" });
    expect(pod.status?.podIP).toBe(`${node.net}.64.2`);
  });

  it("says what to add for an image that nobody knows, and goes on when it is there", async () => {
    await node.createPod("web", { containers: [{ name: "main", image: "echo:dev" }] });
    const pod = await node.until("web", (found) => stateOf(found)?.waiting?.reason === "ErrImagePull");
    expect(stateOf(pod)?.waiting?.message).toBe("nobody knows image echo:dev: add it to wherry.yaml");
    expect(pod.status?.phase).toBe("Pending");
    await expect(node.log("web")).rejects.toThrow('container "main" in pod "web" is waiting to start: ErrImagePull');
    node.images.set("echo:dev", {
      name: "echo:dev",
      entrypoint: ["sh", "-c"],
      cmd: [forever],
      workingDir: "/",
      env: {},
    });
    node.agent.imagesChanged();
    await node.until("web", isReady);
  });

  it("waits for a ConfigMap that is missing, and says which", async () => {
    await node.createPod("web", {
      containers: [
        shell("echo $COLOR; exec sleep 300", {
          env: [{ name: "COLOR", valueFrom: { configMapKeyRef: { name: "paint", key: "color" } } }],
        }),
      ],
    });
    const pod = await node.until("web", (found) => stateOf(found)?.waiting?.reason === "CreateContainerConfigError");
    expect(stateOf(pod)?.waiting?.message).toBe('configmap "paint" not found');
    await node.client.create(resources.configmaps, {
      metadata: { name: "paint", namespace: "default" },
      data: { color: "red" },
    });
    await node.until("web", isReady);
    await eventually(async () => await node.log("web")).toBe("red\n");
  });

  it("says why a program can't be started", async () => {
    await node.createPod("web", {
      restartPolicy: "Never",
      containers: [{ name: "main", image: "sh", command: ["/no/such/program"] }],
    });
    const pod = await node.until("web", (found) => found.status?.phase === "Failed");
    expect(stateOf(pod)?.terminated).toMatchObject({
      exitCode: 128,
      reason: "StartError",
      message: expect.stringContaining("/no/such/program") as string,
    });
  });

  it("keeps a container's last words", async () => {
    await node.createPod("web", {
      restartPolicy: "Never",
      containers: [
        shell("echo enough >/dev/null; exit 1", {
          terminationMessagePolicy: "FallbackToLogsOnError",
          args: ["echo the reason; exit 1"],
        }),
      ],
    });
    const pod = await node.until("web", (found) => found.status?.phase === "Failed");
    expect(stateOf(pod)?.terminated?.message).toBe("the reason");
  });

  it("reports what the runtime can't honour", async () => {
    await node.createPod("web", {
      containers: [shell(forever, { securityContext: { runAsUser: 1000 }, resources: { limits: { cpu: "1" } } })],
    });
    await node.until("web", isReady);
    await eventually(async () => (await node.events("web", "FieldsNotHonoured"))[0]).toMatch(
      /securityContext.*resources.limits/,
    );
  });
});
