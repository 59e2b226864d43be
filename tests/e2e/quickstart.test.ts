// The main job, as the README tells it: the echo service as three pods behind a Service, seen and handled with the real
// kubectl. One cluster for the whole file: the tests are one session, in order.
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pythonWithZmq } from "../support/python.ts";
import { isReady, type PodView, processesOf, root, type Running, Session } from "../support/session.ts";

const session = new Session();
let up: Running;

const echoPods = async (): Promise<PodView[]> =>
  (await session.get<{ items: PodView[] }>("pods", "-l", "app.kubernetes.io/name=echo")).items;
const readyEchoPods = async (): Promise<PodView[]> =>
  (await echoPods()).filter((pod) => pod.metadata.deletionTimestamp === undefined && isReady(pod));

beforeAll(async () => {
  up = session.wherry(["up", "examples/echo", "--replicas", "3"]);
  await up.until(/kubeconfig/i);
});

afterAll(() => session.close());

describe("while `wherry up examples/echo --replicas 3` runs", () => {
  test("the terminal shows the pods, their addresses, the Service, the kubeconfig and what to try next", async () => {
    const [pods] = [await readyEchoPods()];
    expect(pods).toHaveLength(3);
    for (const pod of pods) {
      expect(up.output).toContain(pod.metadata.name);
      expect(up.output).toContain(pod.status.podIP);
    }
    expect(up.output).toContain(session.kubeconfig);
    expect(up.output).toMatch(/wherry call echo echo hello/);
  });

  test("`wherry call echo echo hello` prints hello", async () => {
    const { code, stdout } = await session.run("call", "echo", "echo", "hello");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "hello\n" });
  });

  test("`wherry call --count --concurrency` prints rate and percentiles", async () => {
    const { code, stdout } = await session.run(
      "call",
      "echo",
      "echo",
      "hi",
      "--count",
      "10000",
      "--concurrency",
      "100",
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/10[, ]?000/);
    expect(stdout).toMatch(/p50/);
    expect(stdout).toMatch(/p99/);
  });

  test("`wherry describe echo` shows its methods, and how each of its pods is", async () => {
    const { code, stdout } = await session.run("describe", "echo");
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^echo.* 3 of 3 pods answer\n/) });
    expect(stdout).toMatch(/\n {2}echo +any → any/);
    for (const { metadata } of await readyEchoPods()) expect(stdout).toMatch(new RegExp(`${metadata.name} +ready `));
    const json = JSON.parse((await session.run("describe", "echo.default", "--output", "json")).stdout) as object;
    expect(json).toMatchObject({
      name: "echo",
      methods: { echo: {} },
      instances: [{ stats: { state: "ready" } }, {}, {}],
    });
    expect(await session.run("describe", "ecko")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/there is no service "ecko".*There are: echo/),
    });
    expect((await session.run("describe", "echo", "--all")).stdout).toMatch(/method +calls +p50/);
  });

  test("`wherry repl echo` calls it at a prompt", async () => {
    const line = `echo 'echo.echo({ hello: 1 })' | "$0" "$1" repl echo`;
    const wherry = join(root, "packages/cli/bin/wherry.js");
    const { stdout } = await session.start("/bin/sh", ["-c", line, process.execPath, wherry]).finished;
    expect(stdout).toBe("{ hello: 1 }\n");
  });

  test("kubectl shows every kind of the slice, wide", async () => {
    const output = await session.kubectl("get", "pods,deployments,replicasets,services,endpointslices", "-o", "wide");
    for (const text of ["pod/echo-", "deployment.apps/echo", "replicaset.apps/echo-", "service/echo", "endpointslice"])
      expect(output).toContain(text);
    expect(output).toMatch(/3\/3/);
  });

  test("`wherry kubectl` passes arguments and exit code through", async () => {
    expect(await session.run("kubectl", "get", "deployment", "echo", "-o", "name")).toMatchObject({
      code: 0,
      stdout: "deployment.apps/echo\n",
    });
    expect((await session.run("kubectl", "get", "deployment", "nothing")).code).toBe(1);
    // What kubectl caches goes with the cluster (the session's HOME is the state folder's parent).
    expect(existsSync(join(session.home, "default", "kubectl-cache"))).toBe(true);
  });

  test("a plain ZeroMQ socket of another language echoes through the Service's ClusterIP", async (context) => {
    const python = pythonWithZmq();
    if (python === undefined) return context.skip("python3-zmq is not installed (Debian package python3-zmq)");
    const service = await session.get<{ spec: { clusterIP: string; ports: { name: string; port: number }[] } }>(
      "service",
      "echo",
    );
    const script = `
import sys, zmq
socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.RCVTIMEO, 10000)
socket.connect(sys.argv[1])
socket.send(b"hi")
print(socket.recv())
`;
    const { stdout, stderr } = await session.start(python, [
      "-c",
      script,
      `tcp://${service.spec.clusterIP}:${service.spec.ports[0]!.port}`,
    ]).finished;
    expect(stdout, stderr).toBe("b'hi'\n");
  });

  test("`kubectl scale` gives five pods, and takes them back", async () => {
    await session.kubectl("scale", "deployment", "echo", "--replicas=5");
    await expect.poll(async () => (await readyEchoPods()).length).toBe(5);
    await session.kubectl("scale", "deployment", "echo", "--replicas=3");
    await expect.poll(async () => (await echoPods()).length).toBe(3);
  });

  test("a deleted pod is replaced by another", async () => {
    const [victim] = await readyEchoPods();
    await session.kubectl("delete", "pod", victim!.metadata.name);
    const uids = async (): Promise<string[]> => (await readyEchoPods()).map((pod) => pod.metadata.uid);
    await expect.poll(async () => (await uids()).length).toBe(3);
    expect(await uids()).not.toContain(victim!.metadata.uid);
  });

  test("a pod whose process is killed with -9 starts again in place", async () => {
    const [victim] = await readyEchoPods();
    const pid = processesOf(victim!.metadata.uid, readdirSync("/proc")).at(-1);
    process.kill(pid!, "SIGKILL");
    const after = async (): Promise<PodView> => session.get<PodView>("pod", victim!.metadata.name);
    await expect.poll(async () => (await after()).status.containerStatuses?.[0]?.restartCount).toBeGreaterThan(0);
    await expect.poll(async () => isReady(await after())).toBe(true);
  });

  test("`kubectl rollout restart` replaces every pod, and `rollout status` sees it end", async () => {
    const before = (await readyEchoPods()).map((pod) => pod.metadata.uid);
    await session.kubectl("rollout", "restart", "deployment", "echo");
    expect(await session.kubectl("rollout", "status", "deployment", "echo", "--timeout=60s")).toMatch(
      /successfully rolled out/,
    );
    await expect.poll(async () => (await echoPods()).length).toBe(3);
    for (const pod of await echoPods()) expect(before).not.toContain(pod.metadata.uid);
  });

  test("`wherry logs` has the pods that were replaced, to their last line", async () => {
    const [victim] = await readyEchoPods();
    const { name } = victim!.metadata;
    await session.kubectl("delete", "pod", name);
    const logs = async (target: string): Promise<string> => (await session.run("logs", target)).stdout;
    for (const target of ["deployment/echo", "service/echo", name])
      await expect
        .poll(() => logs(target))
        .toMatch(new RegExp(`${name}.*listens on[^]*${name}.*drained; ending[^]*${name}.*── gone 20`));
    await expect.poll(async () => (await readyEchoPods()).length).toBe(3);
    for (const { metadata } of await readyEchoPods()) expect(await logs("deployment/echo")).toContain(metadata.name);
    const tail = await session.run("logs", "deployment/echo", "--tail", "1");
    expect(tail).toMatchObject({ code: 0, stdout: expect.not.stringContaining(name) });
  });

  test("`kubectl get pods -w` sees a change as it happens", async () => {
    const watch = session.kubectlRunning("get", "pods", "-w", "-l", "app.kubernetes.io/name=echo");
    await watch.until(/echo-/);
    const [victim] = await readyEchoPods();
    await session.kubectl("delete", "pod", victim!.metadata.name, "--wait=false");
    await watch.until(new RegExp(`${victim!.metadata.name}.*Terminating`));
    await watch.stop("SIGKILL");
    await expect.poll(async () => (await readyEchoPods()).length).toBe(3);
  });

  test("`kubectl logs -f` follows a pod's log", async () => {
    const [pod] = await readyEchoPods();
    const logs = session.kubectlRunning("logs", "-f", pod!.metadata.name);
    await logs.until(/"level"|listening/i);
    await logs.stop("SIGKILL");
  });

  test("a hand-written Deployment and Service are applied, answer by the Service, and are deleted", async () => {
    const manifest = join(session.home, "web.yaml");
    writeFileSync(
      manifest,
      `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: node
          command: [node, -e]
          args:
            - require("http").createServer((_, answer) => answer.end("from " + process.env.HOSTNAME)).listen(8080)
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /, port: http }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports: [{ port: 8080, targetPort: http }]
`,
    );
    expect(await session.kubectl("apply", "-f", manifest)).toBe("deployment.apps/web created\nservice/web created\n");
    await session.kubectl("rollout", "status", "deployment", "web", "--timeout=60s");
    const { spec } = await session.get<{ spec: { clusterIP: string } }>("service", "web");
    const answers = new Set<string>();
    await expect
      .poll(async () => {
        const answer = await fetch(`http://${spec.clusterIP}:8080/`, { headers: { connection: "close" } });
        answers.add(await answer.text());
        return answers.size;
      })
      .toBe(2);
    expect(await session.kubectl("apply", "-f", manifest)).toBe(
      "deployment.apps/web unchanged\nservice/web unchanged\n",
    );
    await session.kubectl("delete", "-f", manifest, "--timeout=60s");
    await expect
      .poll(async () => (await session.get<{ items: unknown[] }>("pods", "-l", "app=web")).items.length)
      .toBe(0);
  });

  test("a rolling restart under load loses no request", async () => {
    const load = session.wherry(["call", "echo", "echo", "x", "--count", "60000", "--concurrency", "20"]);
    await session.kubectl("rollout", "restart", "deployment", "echo");
    await session.kubectl("rollout", "status", "deployment", "echo", "--timeout=60s");
    const { code, stdout, stderr } = await load.finished;
    expect(code, stdout + stderr).toBe(0);
  });

  test("Ctrl-C drains and stops everything: no process of the cluster is left, and nothing outside its folder", async () => {
    const { code } = await up.stop("SIGINT");
    expect(code, up.output).toBe(0);
    await expect.poll(() => processesOf(session.home, readdirSync("/proc"))).toEqual([]);
    expect(root).toBeTruthy();
  });
});
