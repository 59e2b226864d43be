// What an agent does with pods that an earlier one left, as after a crash of the daemon.
import { readdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { resources } from "@wherry/kube";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { eventually } from "../network/eventually.suite.ts";
import { statOf } from "./runtime/supervisor.ts";
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

describe("an agent that comes after another", () => {
  it("adopts: same process, same pod, no restart, and Ready all the time", async () => {
    await node.createPod("web", {
      containers: [
        {
          name: "main",
          image: "node",
          args: ["-e", "console.log(process.pid); require('net').createServer((c) => c.end()).listen(8080)"],
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        },
      ],
    });
    const before = await node.until("web", isReady);
    const pid = await pidOf(node, "web");
    await node.agent.detach();
    const unready: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const event of node.client.watch(pods, {
        signal: stop.signal,
        resourceVersion: before.metadata.resourceVersion,
      }))
        if (event.type !== "ERROR" && !isReady(event.object)) unready.push(JSON.stringify(event.object.status));
    })().catch(() => undefined);
    await node.restart();
    expect(node.agent.adopted).toBe(1);
    await eventually(async () => await node.log("web")).toBe(`${pid}\n`);
    const after = await node.pod("web");
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.status?.containerStatuses).toEqual(before.status?.containerStatuses);
    expect(after.status?.podIP).toBe(before.status?.podIP);
    expect(isRunning(pid)).toBe(true);
    // It is this agent's now: it can be reached, and is stopped in order.
    await new Promise<void>((resolve, reject) =>
      connect(8080, after.status?.podIP).once("connect", resolve).once("error", reject).resume(),
    );
    stop.abort();
    await watching;
    expect(unready).toEqual([]);
    await remove(node, "web");
    await node.gone("web");
    expect(isRunning(pid)).toBe(false);
  });

  it("learns how a container ended while nobody was there", async () => {
    await node.createPod("job", {
      restartPolicy: "Never",
      containers: [shell("echo $$$$; sleep 0.4; echo last words; exit 9")],
    });
    const pid = await pidOf(node, "job");
    await node.agent.detach();
    await eventually(() => isRunning(pid)).toBe(false);
    await node.restart();
    const pod = await node.until("job", (found) => found.status?.phase === "Failed");
    expect(stateOf(pod)?.terminated).toMatchObject({ exitCode: 9, reason: "Error" });
    expect(await node.log("job")).toBe(`${pid}\nlast words\n`);
  });

  it.each([
    ["together with its supervisor", (pid: number) => void process.kill(-(statOf(pid)?.group ?? 0), "SIGKILL")],
    ["alone", (pid: number) => void process.kill(pid, "SIGKILL")],
  ])("never reports a container as ready that was killed %s while nobody was there", async (_how, kill) => {
    const answers = join(node.folder, "answers");
    await writeFile(answers, "");
    await node.createPod("web", {
      containers: [
        shell(forever, { readinessProbe: { exec: { command: ["test", "-e", answers] }, periodSeconds: 1 } }),
      ],
    });
    await node.until("web", isReady);
    const pid = await pidOf(node, "web");
    await node.agent.detach();
    kill(pid);
    await eventually(() => isRunning(pid)).toBe(false);
    await rm(answers);
    await node.restart();
    expect(node.agent.adopted).toBe(0);
    const pod = await node.pod("web");
    expect(isReady(pod)).toBe(false);
    expect(pod.status?.containerStatuses?.[0]?.ready).toBe(false);
    const again = await node.until("web", (found) => found.status?.containerStatuses?.[0]?.restartCount === 1);
    expect(again.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode).toBe(137);
  });

  it("takes a pod whose folder is lost for one that does not run", async () => {
    await node.createPod("web", { containers: [shell(forever)] });
    await node.until("web", isReady);
    const pid = await pidOf(node, "web");
    await node.agent.detach();
    process.kill(-(statOf(pid)?.group ?? 0), "SIGKILL");
    await rm(join(node.folder, "pods"), { recursive: true });
    const unready = vi.fn<() => void>();
    const stop = new AbortController();
    const { resourceVersion } = (await node.pod("web")).metadata;
    const watching = (async () => {
      for await (const event of node.client.watch(pods, { signal: stop.signal, resourceVersion }))
        if (event.type !== "ERROR" && !isReady(event.object)) unready();
    })().catch(() => undefined);
    await node.restart();
    await eventually(() => unready.mock.calls.length).toBeGreaterThan(0);
    await node.until("web", isReady);
    // The log goes on where the lost one's ended.
    await eventually(async () => await node.log("web")).toMatch(/^\d+\n\d+\n$/);
    stop.abort();
    await watching;
  });

  it("ends what was deleted while nobody was there, gracefully or by force", async () => {
    await node.createPod("kept", { containers: [shell(forever)] });
    await node.createPod("deleted", { containers: [shell(forever)] });
    await node.createPod("forced", { containers: [shell(forever)] });
    const pids = [await pidOf(node, "kept"), await pidOf(node, "deleted"), await pidOf(node, "forced")];
    await node.agent.detach();
    await remove(node, "deleted");
    await remove(node, "forced", 0);
    await node.restart();
    await node.gone("deleted");
    await eventually(() => pids.map(isRunning)).toEqual([true, false, false]);
    await eventually(async () => await readdir(join(node.folder, "pods"))).toHaveLength(1);
  });

  it("keeps the log of what was deleted meanwhile, with its last words", async () => {
    const said = "trap 'echo bye; exit 0' TERM; echo $$$$; while :; do sleep 0.05; done";
    await node.createPod("web", { containers: [shell(said)] }, { labels: { app: "web" } });
    const pid = await pidOf(node, "web");
    await node.agent.detach();
    process.kill(pid, "SIGTERM");
    await eventually(() => isRunning(pid)).toBe(false);
    await remove(node, "web", 0);
    await node.restart();
    const folder = join(node.folder, "logs", "gone");
    await eventually(async () => await keptLogs(folder)).toMatchObject([{ name: "web", labels: { app: "web" } }]);
    const [kept] = await keptLogs(folder);
    expect(await keptText(folder, kept!)).toBe(`${pid}\nbye\n`);
  });

  it("starts again what the cluster's going down has stopped", async () => {
    await node.createPod("web", {
      containers: [shell(`trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done`)],
    });
    await node.until("web", isReady);
    await eventually(async () => await node.log("web")).toBe("up\n");
    await node.agent.stopAll();
    await node.restart();
    const pod = await node.until(
      "web",
      (found) => found.status?.containerStatuses?.[0]?.restartCount === 1 && isReady(found),
    );
    expect(pod.status?.containerStatuses?.[0]?.lastState?.terminated).toMatchObject({
      exitCode: 0,
      reason: "Completed",
    });
    expect(await node.log("web", { previous: true })).toBe("up\nbye\n");
  });
});
