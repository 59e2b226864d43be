// Pods of real processes on one node, from spec to status and to the end, over the real API.
import { access, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { type Container, type Pod, resources } from "@wherry/kube";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { eventually } from "../network/eventually.suite.ts";
import { logFileBytesMax, logFilesKept } from "./limits.ts";
import { statOf } from "./runtime/supervisor.ts";
import { isReady, type TestNode, testNode } from "./test-node.suite.ts";

let node: TestNode;
beforeEach(async () => {
  node = await testNode();
});
afterEach(async () => {
  await node.stop();
});

const pods = resources.pods;
const remove = async (name: string, gracePeriodSeconds?: number): Promise<void> =>
  await node.client.delete(
    pods,
    { name, namespace: "default" },
    gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds },
  );
const shell = (script: string, more?: Partial<Container>): Container => ({
  name: "main",
  image: "sh",
  args: [script],
  ...more,
});
const isRunning = (pid: number): boolean => !["Z", "X", undefined].includes(statOf(pid)?.state);
const stateOf = (pod: Pod, index = 0) => pod.status?.containerStatuses?.[index]?.state;
/** The pid that a container's script printed. */
const pidOf = async (name: string): Promise<number> => {
  await eventually(async () => await node.log(name)).toMatch(/^\d+\n/);
  return Number.parseInt(await node.log(name), 10);
};
// `$$` is Kubernetes' own escape for `$`.
const forever = "echo $$$$; exec sleep 300";

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
    await remove("web");
    await node.gone("web");
    await eventually(async () => await readdir(join(node.folder, "pods"))).toEqual([]);
    await eventually(async () => await readdir(join(node.folder, "logs", "pods"))).toEqual([]);
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
    await remove("web");
    await watching;
    stop.abort();
    expect(phases.at(-1)).toBe("Succeeded");
  });

  it("gives a program that ignores TERM its grace, then kills it and all it started", async () => {
    await node.createPod("stubborn", {
      terminationGracePeriodSeconds: 1,
      containers: [shell("trap '' TERM; echo $$$$; sleep 300 & sleep 300; sleep 300")],
    });
    const pid = await pidOf("stubborn");
    await remove("stubborn");
    await node.gone("stubborn");
    expect(isRunning(pid)).toBe(false);
  });

  it("ends at once, and everything with it, when it is deleted by force", async () => {
    await node.createPod("web", { containers: [shell(forever)] });
    const pid = await pidOf("web");
    await remove("web", 0);
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
    await remove("web");
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
          startupProbe: { exec: { command: ["grep", "-q", "side", file] }, periodSeconds: 1 },
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
    const pid = await pidOf("web");
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

describe("what a container sees", () => {
  it("is its own environment, and nothing of the daemon's", async () => {
    process.env["WHERRY_TEST_SECRET"] = "leaked";
    await node.client.create(resources.configmaps, {
      metadata: { name: "settings", namespace: "default" },
      data: { "a.b": "dotted", MODE: "fast" },
    });
    await node.client.create(resources.secrets, {
      metadata: { name: "keys", namespace: "default" },
      data: { KEY: Buffer.from("s3cret").toString("base64") },
    });
    await node.client.create(resources.services, {
      metadata: { name: "my-db", namespace: "default" },
      spec: { clusterIP: `${node.net}.0.77`, ports: [{ name: "sql", port: 5432 }] },
    });
    await node.createPod(
      "web",
      {
        restartPolicy: "Never",
        containers: [
          {
            name: "main",
            image: "node",
            args: ["-e", "console.log(JSON.stringify(process.env))"],
            envFrom: [{ configMapRef: { name: "settings" } }, { secretRef: { name: "keys" }, prefix: "S_" }],
            env: [
              { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
              { name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
              { name: "URL", value: "db://$(MY_DB_SERVICE_HOST):$(MY_DB_SERVICE_PORT_SQL)/$(MODE)?$$(MODE)&$(NONE)" },
              { name: "CPU", valueFrom: { resourceFieldRef: { resource: "requests.cpu", divisor: "1m" } } },
            ],
            resources: { requests: { cpu: "250m" } },
          },
        ],
      },
      { name: "web", namespace: "default", labels: { app: "shop" } },
    );
    await node.until("web", (found) => found.status?.phase === "Succeeded");
    const env = JSON.parse(await node.log("web")) as Record<string, string>;
    expect(env).toMatchObject({
      NAME: "web",
      APP: "shop",
      "a.b": "dotted",
      MODE: "fast",
      S_KEY: "s3cret",
      URL: `db://${node.net}.0.77:5432/fast?$(MODE)&$(NONE)`,
      CPU: "250",
      POD_IP: `${node.net}.64.2`,
      HOST: `${node.net}.64.2`,
      POD_NAME: "web",
      POD_NAMESPACE: "default",
      HOSTNAME: "web",
      KUBERNETES_SERVICE_HOST: `${node.net}.0.1`,
      KUBERNETES_SERVICE_PORT: "6443",
      KUBERNETES_SERVICE_PORT_HTTPS: "6443",
      MY_DB_PORT_5432_TCP_ADDR: `${node.net}.0.77`,
    });
    expect(env).not.toHaveProperty("WHERRY_TEST_SECRET");
    delete process.env["WHERRY_TEST_SECRET"];
    const folder = env["WHERRY_SERVICEACCOUNT_DIR"] ?? "";
    expect(await readFile(join(folder, "namespace"), "utf8")).toBe("default");
    expect(await readFile(join(folder, "ca.crt"), "utf8")).toBe("a CA");
    const claims = JSON.parse(
      Buffer.from((await readFile(join(folder, "token"), "utf8")).split(".")[1] ?? "", "base64url").toString(),
    ) as { sub: string };
    expect(claims.sub).toBe("system:serviceaccount:default:default");
  });

  it("is its volumes, by the paths it knows them by, kept up to date", async () => {
    await node.client.create(resources.configmaps, {
      metadata: { name: "site", namespace: "default" },
      data: { "index.html": "one" },
    });
    await node.createPod("web", {
      volumes: [
        { name: "site", configMap: { name: "site" } },
        { name: "scratch", emptyDir: {} },
        { name: "me", downwardAPI: { items: [{ path: "ip", fieldRef: { fieldPath: "status.podIP" } }] } },
      ],
      containers: [
        {
          name: "main",
          image: "node",
          args: [
            "-e",
            "const fs = require('fs'); const [page, scratch, ip] = process.argv.slice(1); fs.writeFileSync(scratch, 'x'); setInterval(() => console.log(fs.readFileSync(page, 'utf8'), fs.readFileSync(ip, 'utf8')), 30)",
            "--",
            "/srv/www/index.html",
            "/scratch/file",
            "/etc/me/ip",
          ],
          volumeMounts: [
            { name: "site", mountPath: "/srv/www" },
            { name: "scratch", mountPath: "/scratch" },
            { name: "me", mountPath: "/etc/me" },
          ],
        },
      ],
    });
    await eventually(async () => await node.log("web").catch(() => "")).toContain(`one ${node.net}.64.2`);
    await node.client.patch(resources.configmaps, { name: "site", namespace: "default" }, "merge", {
      data: { "index.html": "two" },
    });
    await eventually(async () => await node.log("web", { tailLines: 1 })).toContain("two");
  });

  it("never leads out of a volume, nor into the cluster's own state", async () => {
    const volumes = [
      { name: "scratch", emptyDir: {} },
      { name: "state", hostPath: { path: join(node.folder, "pods") } },
    ];
    await node.createPod("state", { volumes, containers: [shell(forever)] });
    await node.createPod("sub", {
      volumes: volumes.slice(0, 1),
      initContainers: [
        {
          ...shell("ln -s / /scratch/out"),
          name: "trick",
          command: ["ln", "-s", "/", "/scratch/out"],
          args: [],
          volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
        },
      ],
      containers: [shell(forever, { volumeMounts: [{ name: "scratch", mountPath: "/data", subPath: "out/etc" }] })],
    });
    const message = async (name: string): Promise<string | undefined> =>
      stateOf(await node.until(name, (found) => stateOf(found)?.waiting?.reason === "CreateContainerConfigError"))
        ?.waiting?.message;
    expect(await message("state")).toMatch(/the cluster's own state/);
    expect(await message("sub")).toMatch(/out of its volume/);
    await remove("sub");
    await node.gone("sub");
    // The link went, not what it points to.
    await access("/etc");
  });

  it("is an address of its own for every replica, and Services by name, for Node programs", async () => {
    const server = "require('http').createServer((q, s) => s.end(process.env.POD_NAME)).listen(8080)";
    const client =
      "setInterval(() => Promise.all(['first', 'first.default', 'first.default.svc.cluster.local'].map((h) => fetch('http://' + h + ':8080').then((r) => r.text()))).then((t) => console.log(t.join()), (e) => console.log(String(e.cause))), 50)";
    for (const name of ["first", "second"])
      await node.createPod(name, {
        containers: [
          {
            name: "main",
            image: "node",
            args: ["-e", server],
            readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
          },
        ],
      });
    const [first, second] = [await node.until("first", isReady), await node.until("second", isReady)];
    expect(first.status?.podIP).not.toBe(second.status?.podIP);
    await writeFile(join(node.folder, "hosts"), `${first.status?.podIP ?? ""} first.default.svc.cluster.local\n`);
    await node.createPod("client", { containers: [{ name: "main", image: "node", args: ["-e", client] }] });
    await eventually(async () => await node.log("client").catch(() => "")).toContain("first,first,first");
  });
});

describe("probes", () => {
  it("restarts a container whose liveness probe fails", async () => {
    const file = join(node.folder, "alive");
    await node.createPod("web", {
      containers: [
        shell(`touch ${file}; exec sleep 300`, {
          livenessProbe: { exec: { command: ["test", "-e", file] }, periodSeconds: 1, failureThreshold: 1 },
        }),
      ],
    });
    await node.until("web", isReady);
    await vi.waitFor(async () => await rm(file));
    await node.until("web", (found) => found.status?.containerStatuses?.[0]?.restartCount === 1);
    await eventually(async () => await node.events("web", "Unhealthy")).not.toHaveLength(0);
    await eventually(async () => await node.events("web", "Killing")).toEqual([
      "Container main failed liveness probe, will be restarted",
    ]);
  });

  it("never connects to another machine", async () => {
    await node.createPod("web", {
      containers: [
        shell(forever, { readinessProbe: { httpGet: { host: "169.254.169.254", port: 80 }, periodSeconds: 1 } }),
      ],
    });
    await eventually(async () => (await node.events("web", "Unhealthy"))[0]).toMatch(
      /refused: probes connect to the pod/,
    );
  });
});

describe("logs", () => {
  it("are CRI files that are followed, tailed and cut", async () => {
    await node.createPod("web", {
      containers: [shell("for i in 1 2 3 4 5; do echo line $i; done; echo oops >&2; sleep 0.3; printf end")],
      restartPolicy: "Never",
    });
    const { uid } = await node
      .until("web", (found) => stateOf(found)?.running !== undefined)
      .then((pod) => pod.metadata);
    const signal = new AbortController().signal;
    const followed = await node.agent.logs.read({ namespace: "default", name: "web", uid }, "main", {
      follow: true,
      previous: false,
      timestamps: false,
      signal,
    });
    let text = "";
    for await (const chunk of followed) text += Buffer.from(chunk as Uint8Array).toString();
    expect(text.split("\n").sort()).toEqual(["", "end", "line 1", "line 2", "line 3", "line 4", "line 5", "oops"]);
    expect(await node.log("web", { tailLines: 1 })).toBe("end\n");
    expect(await node.log("web", { tailLines: 0 })).toBe("");
    const file = join(node.folder, "logs", "pods", `default_web_${uid}`, "main", "0.log");
    expect(await readFile(file, "utf8")).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stdout F line 1\n/);
    await expect(node.log("web", { container: "other" })).rejects.toThrow("container other is not valid for pod web");
  });

  it("of a flood keep memory and disk bounded, and the newest lines", async () => {
    await node.createPod("flood", {
      restartPolicy: "Never",
      containers: [shell("yes 0123456789012345678901234567890123456789 | head -n 800000; echo done")],
    });
    const { uid } = (await node.until("flood", (found) => found.status?.phase === "Succeeded")).metadata;
    expect(await node.log("flood", { tailLines: 1 })).toBe("done\n");
    const folder = join(node.folder, "logs", "pods", `default_flood_${uid}`, "main");
    const sizes = await Promise.all((await readdir(folder)).map(async (file) => (await stat(join(folder, file))).size));
    expect(sizes.length).toBeLessThanOrEqual(logFilesKept + 1);
    expect(Math.max(...sizes)).toBeLessThan(logFileBytesMax + 1024 * 1024);
  });
});

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
    const pid = await pidOf("web");
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
    await remove("web");
    await node.gone("web");
    expect(isRunning(pid)).toBe(false);
  });

  it("learns how a container ended while nobody was there", async () => {
    await node.createPod("job", {
      restartPolicy: "Never",
      containers: [shell("echo $$$$; sleep 0.4; echo last words; exit 9")],
    });
    const pid = await pidOf("job");
    await node.agent.detach();
    await eventually(() => isRunning(pid)).toBe(false);
    await node.restart();
    const pod = await node.until("job", (found) => found.status?.phase === "Failed");
    expect(stateOf(pod)?.terminated).toMatchObject({ exitCode: 9, reason: "Error" });
    expect(await node.log("job")).toBe(`${pid}\nlast words\n`);
  });

  it("ends what was deleted while nobody was there, gracefully or by force", async () => {
    await node.createPod("kept", { containers: [shell(forever)] });
    await node.createPod("deleted", { containers: [shell(forever)] });
    await node.createPod("forced", { containers: [shell(forever)] });
    const pids = [await pidOf("kept"), await pidOf("deleted"), await pidOf("forced")];
    await node.agent.detach();
    await remove("deleted");
    await remove("forced", 0);
    await node.restart();
    await node.gone("deleted");
    await eventually(() => pids.map(isRunning)).toEqual([true, false, false]);
    await eventually(async () => await readdir(join(node.folder, "pods"))).toHaveLength(1);
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
