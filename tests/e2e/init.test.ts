// `wherry init`, then the commands that it names: the new service runs as a pod, and answers over ZeroMQ and HTTP.
import { mkdirSync, symlinkSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root, Session } from "../support/session.ts";

const session = new Session();
const folder = join(session.home, "work");
const wherry = (...args: string[]) =>
  session.start("bash", [
    "-c",
    `cd "$0" && exec "$@"`,
    folder,
    process.execPath,
    join(root, "packages/cli/bin/wherry.js"),
    ...args,
  ]).finished;

beforeAll(() => {
  mkdirSync(folder);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
});
afterAll(() => session.close());

/** The answer's status and text. Asks the pod itself, as a Service's proxy does. */
function post(host: string, body: string): Promise<[number | undefined, string]> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const asking = request({ host, port: 8080, path: "/greet", method: "POST", headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => resolve([response.statusCode, text]));
    });
    asking.on("error", reject).end(body);
  });
}

test("a new service is up with one command, and answers", async () => {
  const made = await wherry("init", "shop", "--http");
  expect(made.code, made.stderr).toBe(0);
  const up = await wherry("up", "shop", "--detach");
  expect(up.code, up.stdout + up.stderr).toBe(0);
  const called = await wherry("call", "shop", "greet", '{"name":"you"}');
  expect(called.stdout).toContain("Hello, you.");
  const { items } = await session.get<{ items: { status: { podIP: string } }[] }>(
    "pods",
    "-l",
    "app.kubernetes.io/name=shop",
  );
  expect(await post(items[0]?.status.podIP ?? "", '{"name":"you"}')).toEqual([200, '{"text":"Hello, you."}']);
  const service = await session.get<{ spec: { ports: { name: string; port: number }[] } }>("service", "shop");
  expect(service.spec.ports.map(({ name, port }) => [name, port])).toEqual([
    ["messaging", 5555],
    ["http", 80],
  ]);
});

test("its manifest is applied as it is, with its disruption budget, and kubectl drain honours that", async () => {
  const up = await wherry("up", "shop/k8s", "--detach");
  expect(up.code, up.stdout + up.stderr).toBe(0);
  const allowed = async () =>
    (await session.get<{ status: { disruptionsAllowed: number } }>("pdb", "shop")).status.disruptionsAllowed;
  await expect.poll(allowed).toBe(1);
  // The node that is emptied is the only one: the first pod goes, its successor waits, and the second must stay.
  const [node] = (await session.get<{ items: { metadata: { name: string } }[] }>("nodes")).items;
  const drain = async (): Promise<string> => {
    const { code, stdout, stderr } = await session.tryKubectl("drain", node?.metadata.name ?? "", "--timeout=3s");
    expect(code).not.toBe(0);
    return stdout + stderr;
  };
  // As often as the machine needs to come to the second.
  await expect.poll(drain).toMatch(/violate the pod's disruption budget/);
  expect((await wherry("call", "shop", "greet", '{"name":"you"}')).stdout).toContain("Hello, you.");
  await session.kubectl("uncordon", node?.metadata.name ?? "");
  await expect.poll(allowed).toBe(1);
});

test("its image is found by the folder with its Dockerfile", async () => {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "by-image" },
    spec: { containers: [{ name: "main", image: "shop:0.1.0" }] },
  };
  await session.start("bash", ["-c", `cd "$0" && printf %s "$1" > pod.json`, folder, JSON.stringify(pod)]).finished;
  const up = await wherry("up", "pod.json", "--detach");
  expect(up.code, up.stdout + up.stderr).toBe(0);
});
