// The real kubectl (v1.35) against the HTTPS listener: what its users type, and what they read then.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resources } from "@wherry/kube";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kubectlPath } from "../../../../scripts/kubectl.mjs";
import { adminToken, startListener, type TestListener } from "./listener.suite.ts";

let server: TestListener;
let folder: string;
beforeAll(async () => {
  server = await startListener({
    podLogs: {
      read: async (pod, container) =>
        (async function* () {
          yield `hello from ${pod.name}/${container}\n`;
        })(),
    },
  });
  folder = await mkdtemp(join(tmpdir(), "wherry-kubectl-"));
  await writeFile(join(folder, "kubeconfig"), JSON.stringify(kubeconfig()), { mode: 0o600 });
  await writeFile(join(folder, "web.yaml"), manifest);
  await writeFile(join(folder, "typo.yaml"), manifest.replace("replicas:", "replicsa:"));
  await server.client.create(resources.namespaces, { metadata: { name: "default" } });
  await server.client.create(resources.nodes, { metadata: { name: "n1" } });
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const manifest = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
      - { name: main, image: "web:1", ports: [{ containerPort: 80 }] }
      - { name: side, image: "side:1" }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports: [{ port: 80, targetPort: 8080 }]
---
apiVersion: v1
kind: Pod
metadata: { name: one, labels: { app: one } }
spec:
  containers: [{ name: c, image: "one:1" }]
`;

const kubeconfig = (): object => ({
  apiVersion: "v1",
  kind: "Config",
  clusters: [
    {
      name: "c",
      cluster: {
        server: `https://127.0.0.1:${server.listener.port}`,
        "certificate-authority-data": Buffer.from(server.ca).toString("base64"),
      },
    },
  ],
  users: [{ name: "u", user: { token: adminToken } }],
  contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
  "current-context": "x",
});

const environment = (): NodeJS.ProcessEnv => ({
  HOME: folder,
  KUBECONFIG: join(folder, "kubeconfig"),
  PATH: process.env["PATH"],
});

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const run = (...args: string[]): Promise<Result> =>
  new Promise((resolve) => {
    execFile(kubectlPath(), args, { env: environment(), timeout: 60_000 }, (problem, out, err) => {
      resolve({ code: problem === null ? 0 : Number(problem.code ?? 1), out, err });
    });
  });

/** Its output; any complaint of kubectl fails the test. */
async function kubectl(...args: string[]): Promise<string> {
  const { code, out, err } = await run(...args);
  expect([args.join(" "), code, err]).toEqual([args.join(" "), 0, ""]);
  return out.trim();
}

const file = (name: string): string => join(folder, name);

describe("kubectl", () => {
  it("knows the server and what it serves", async () => {
    expect(await kubectl("version")).toContain("Server Version: v1.35");
    const kinds = await kubectl("api-resources", "-o", "wide");
    for (const { plural } of Object.values(resources)) expect(kinds).toContain(plural);
    expect(await kubectl("api-versions")).toBe(
      "apps/v1\nauthentication.k8s.io/v1\nauthorization.k8s.io/v1\ndiscovery.k8s.io/v1\npolicy/v1\nv1",
    );
    expect(await kubectl("explain", "deployment.spec.replicas")).toContain("<integer>");
    expect(await kubectl("get", "--raw", "/readyz?verbose")).toContain("readyz check passed");
  });

  it("asks what its user may, and who that is", async () => {
    expect(await kubectl("auth", "can-i", "delete", "pods")).toBe("yes");
    expect(await kubectl("auth", "can-i", "--list")).toMatch(/^deployments\.apps .*\[get list watch create/m);
    expect(await kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")).toBe("wherry-admin");
  });

  it("explains with the group", async () => {
    expect(await kubectl("explain", "deployment")).toMatch(/^GROUP: +apps\nKIND: +Deployment\nVERSION: +v1\n/);
  });

  it("applies a manifest, once, and says what is wrong with one", async () => {
    expect(await kubectl("apply", "-f", file("web.yaml"))).toBe(
      "deployment.apps/web created\nservice/web created\npod/one created",
    );
    expect(await kubectl("apply", "-f", file("web.yaml"))).toBe(
      "deployment.apps/web unchanged\nservice/web unchanged\npod/one unchanged",
    );
    expect((await run("diff", "-f", file("web.yaml"))).code).toBe(0);
    const typo = await run("apply", "-f", file("typo.yaml"));
    expect(typo.code).toBe(1);
    expect(typo.err).toContain('strict decoding error: unknown field "spec.replicsa"');
    expect(await kubectl("apply", "--dry-run=server", "-f", file("web.yaml"))).toContain("unchanged (server dry run)");
  });

  it("shows tables, wide ones, names, YAML and single fields", async () => {
    const table = await kubectl("get", "all", "-o", "wide");
    expect(table).toMatch(/NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR/);
    expect(table).toMatch(/deployment.apps\/web +0\/2 .*main,side +web:1,side:1 +app=web/);
    expect(table).toMatch(/service\/web +ClusterIP +127\.9\.\d+\.\d+ +<none> +80\/TCP/);
    expect(table).toMatch(/pod\/one +0\/1 +Pending +0/);
    expect(await kubectl("get", "po,deploy,svc", "-o", "name")).toBe("pod/one\ndeployment.apps/web\nservice/web");
    expect(await kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}")).toBe("2");
    expect(await kubectl("get", "pods", "-l", "app=one", "-A")).toContain("one");
    expect(await kubectl("get", "pods", "--field-selector", "spec.nodeName=n1", "-o", "name")).toBe("");
    expect(await kubectl("get", "pod", "one", "-o", "yaml")).toContain("serviceAccountName: default");
  });

  it("describes objects with their events", async () => {
    const { uid } = (await server.client.get(resources.pods, "one", "default")).metadata;
    await server.client.create(resources.events, {
      metadata: { name: "one.1", namespace: "default" },
      involvedObject: { kind: "Pod", namespace: "default", name: "one", uid },
      reason: "Scheduled",
      message: "on its way",
      type: "Normal",
      source: { component: "test" },
    });
    const pod = await kubectl("describe", "pod", "one");
    expect(pod).toMatch(/Status: +Pending/);
    expect(pod).toMatch(/Normal +Scheduled .* on its way/);
    expect(await kubectl("describe", "deployment", "web")).toMatch(/Replicas: +2 desired/);
    expect(await kubectl("describe", "service", "web")).toMatch(/TargetPort: +8080\/TCP/);
    expect(await kubectl("describe", "node", "n1")).toMatch(/Name: +n1/);
    expect(await kubectl("get", "events")).toContain("on its way");
  });

  it("changes objects", async () => {
    expect(await kubectl("scale", "deployment", "web", "--replicas=5")).toBe("deployment.apps/web scaled");
    expect(await kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}")).toBe("5");
    expect((await run("scale", "deployment", "web", "--replicas=1", "--current-replicas=4")).err).toContain(
      "Expected replicas to be 4",
    );
    await kubectl("label", "pod", "one", "tier=web");
    await kubectl("label", "pod", "one", "tier-");
    await kubectl("annotate", "pod", "one", "note=hi");
    await kubectl("set", "image", "deployment/web", "main=web:2");
    expect(await kubectl("rollout", "restart", "deployment", "web")).toBe("deployment.apps/web restarted");
    await kubectl(
      "patch",
      "deployment",
      "web",
      "-p",
      '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"side:2"}]}}}}',
    );
    await kubectl(
      "patch",
      "deployment",
      "web",
      "--type=json",
      "-p",
      '[{"op":"add","path":"/spec/paused","value":true}]',
    );
    await kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"minReadySeconds":3}}');
    expect(await kubectl("get", "deploy", "web", "-o", "jsonpath={..image} {.spec.minReadySeconds}")).toBe(
      "web:2 side:2 3",
    );
    await kubectl("cordon", "n1");
    expect(await kubectl("get", "nodes")).toContain("SchedulingDisabled");
    await kubectl("taint", "nodes", "n1", "a=b:NoSchedule");
    await kubectl("uncordon", "n1");
    await kubectl("expose", "deployment", "web", "--name=more", "--port=81");
  });

  it("creates objects of every kind that it has a command for (protobuf bodies)", async () => {
    await kubectl("create", "namespace", "team");
    await kubectl("create", "configmap", "settings", "--from-literal=a=b", "-n", "team");
    await kubectl("create", "secret", "generic", "password", "--from-literal=pw=x", "-n", "team");
    await kubectl("create", "serviceaccount", "robot", "-n", "team");
    await kubectl("create", "deployment", "d", "--image=web:1", "--replicas=0", "--port=80", "-n", "team");
    await kubectl("create", "service", "clusterip", "s", "--tcp=80:8080", "-n", "team");
    expect((await kubectl("create", "token", "robot", "-n", "team")).split(".")).toHaveLength(3);
    expect(await kubectl("get", "deploy", "d", "-n", "team", "-o", "jsonpath={.spec.replicas} {..containerPort}")).toBe(
      "0 80",
    );
    expect(await kubectl("get", "secret", "password", "-n", "team", "-o", "jsonpath={.data.pw}")).toBe("eA==");
    await kubectl("create", "pdb", "b", "--selector=app=d", "--max-unavailable=1", "-n", "team");
    expect(await kubectl("get", "pdb", "b", "-n", "team", "-o", "jsonpath={.spec}")).toBe(
      '{"maxUnavailable":1,"selector":{"matchLabels":{"app":"d"}}}',
    );
    await kubectl("run", "two", "--image=two:1", "-n", "team");
  });

  it("says what is not served, and what does it instead", async () => {
    expect((await run("create", "job", "once", "--image=busybox", "--", "date")).err).toMatch(
      /failed to create job: .*serves no jobs of batch\/v1; "kubectl api-resources" lists .*kubectl run NAME .*--restart=Never/,
    );
    expect((await run("create", "ingress", "web", "--rule=a/b=c:80")).err).toMatch(/serves no ingresses of networking/);
  });

  it("reads logs", async () => {
    expect(await kubectl("logs", "one")).toBe("hello from one/c");
    expect((await run("logs", "one", "-c", "nope")).err).toContain("container nope is not valid for pod one");
  });

  it("watches: rows come as objects change", async () => {
    const child = spawn(kubectlPath(), ["get", "configmaps", "-w", "--output-watch-events"], { env: environment() });
    try {
      let out = "";
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      const at = { name: "seen", namespace: "default" };
      await server.client.create(resources.configmaps, { metadata: at });
      await expect.poll(() => out).toMatch(/ADDED +seen +0/);
      await server.client.patch(resources.configmaps, at, "merge", { data: { a: "b" } });
      await server.client.delete(resources.configmaps, at);
      await expect.poll(() => out).toMatch(/MODIFIED +seen +1 [^]*DELETED +seen +1/);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("deletes, and waits for it", async () => {
    expect(await kubectl("delete", "pod", "one")).toContain('pod "one" deleted');
    expect(await kubectl("wait", "--for=delete", "pod/one", "--timeout=60s")).toBe("");
    expect(await kubectl("delete", "-f", file("web.yaml"), "--ignore-not-found")).toContain('service "web" deleted');
    expect(await kubectl("delete", "services", "--all")).toContain('service "more" deleted');
    const missing = await run("get", "pod", "one");
    expect(missing.err.trim()).toBe('Error from server (NotFound): pods "one" not found');
  });

  it("is refused with another token", async () => {
    const refused = await run("get", "pods", "--token=wrong-token-wrong-token-wrong");
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/Unauthorized|must be logged in/);
  });
});
