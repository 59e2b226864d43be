// What real processes in pods see of the world, and what is seen of them: environment, volumes, addresses, probes, logs.
import { access, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { resources } from "@wherry/kube";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../network/eventually.suite.ts";
import { logFileBytesMax, logFilesKept } from "./limits.ts";
import { isReady, type TestNode, testNode } from "./test-node.suite.ts";
import { forever, isRunning, pidOf, remove, shell, stateOf } from "./test-pods.suite.ts";

let node: TestNode;
beforeEach(async () => {
  node = await testNode();
});
afterEach(async () => {
  await node.stop();
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
      WHERRY_CLUSTER_DIR: node.folder,
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
    await remove(node, "sub");
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
          // Not before the file is there.
          livenessProbe: {
            exec: { command: ["test", "-e", file] },
            initialDelaySeconds: 1,
            periodSeconds: 1,
            timeoutSeconds: 60,
            failureThreshold: 1,
          },
        }),
      ],
    });
    await node.until("web", isReady);
    await eventually(async () => await rm(file)).toBeUndefined();
    await node.until("web", (found) => found.status?.containerStatuses?.[0]?.restartCount === 1);
    await eventually(async () => await node.events("web", "Unhealthy")).not.toHaveLength(0);
    await eventually(async () => await node.events("web", "Killing")).toEqual([
      "Container main failed liveness probe, will be restarted",
    ]);
  });

  it("restarts a container that hangs, which its open port does not show", async () => {
    const server =
      "console.log(process.pid); require('http').createServer((_, r) => r.end()).listen(8080, process.env.HOST)";
    await node.createPod("hung", {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "main",
          image: "node",
          args: ["-e", server],
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          livenessProbe: {
            httpGet: { path: "/", port: 8080 },
            initialDelaySeconds: 1,
            periodSeconds: 1,
            failureThreshold: 2,
          },
        },
      ],
    });
    await node.until("hung", isReady);
    const pid = await pidOf(node, "hung");
    process.kill(pid, "SIGSTOP");
    await node.until("hung", (pod) => pod.status?.containerStatuses?.[0]?.restartCount === 1 && isReady(pod));
    expect(isRunning(pid)).toBe(false);
    expect(await node.events("hung", "Unhealthy")).not.toEqual([]);
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
