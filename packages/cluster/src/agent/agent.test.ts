// Pods of real processes on one node, from spec to status and to the end, over the real API.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isReady, type TestNode, testNode } from "./test-node.suite.ts";

describe("a node with the process runtime", () => {
  let node: TestNode;
  beforeEach(async () => {
    node = await testNode();
  });
  afterEach(async () => {
    await node.stop();
  });

  it("runs a pod to Ready, and ends it in order when it is deleted", async () => {
    await node.createPod("web", {
      containers: [
        {
          name: "main",
          image: "node",
          args: [
            "-e",
            "const s = require('net').createServer((c) => c.end('hi')).listen(8080); process.on('SIGTERM', () => { console.log('bye'); s.close(); })",
          ],
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        },
      ],
    });
    const pod = await node.until("web", isReady);
    expect(pod.status).toMatchObject({
      phase: "Running",
      podIP: "127.201.64.2",
      hostIP: "127.201.64.1",
      containerStatuses: [
        {
          name: "main",
          ready: true,
          started: true,
          restartCount: 0,
          containerID: `wherry://${pod.metadata.uid}/main/0`,
        },
      ],
    });
    await node.client.delete((await import("@wherry/kube")).resources.pods, { name: "web", namespace: "default" });
    await node.gone("web");
  });
});
