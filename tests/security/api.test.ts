// The API's port against everybody on this machine, and against its own pods: no token, a foreign page, a pod's token, bodies
// made to hurt. All of it against the real daemon, over real sockets.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PodView, Session } from "../support/session.ts";
import { type Door, doorOf, request, send } from "./door.ts";

const session = new Session();
let door: Door;
let paths: string[];
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
const plainPaths = ["/livez", "/readyz", "/healthz", "/version"];

interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly namespaced: boolean }[];
}

/** Every path that discovery knows, so that a new route can't be forgotten. */
async function discoveredPaths(): Promise<string[]> {
  const read = async <T>(path: string): Promise<T> =>
    JSON.parse((await request(door, { path, token: door.token })).body) as T;
  const { groups } = await read<{ groups: { preferredVersion: { groupVersion: string } }[] }>("/apis");
  const roots = ["/api/v1", ...groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`)];
  const found = ["/", "/api", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", "/nothing/here", ...roots];
  for (const root of roots)
    for (const { name, namespaced } of (await read<ResourceList>(root)).resources) {
      const [plural = "", subresource] = name.split("/");
      const collection = `${root}${namespaced ? "/namespaces/default" : ""}/${plural}`;
      found.push(...(subresource === undefined ? [collection, `${collection}/x`] : [`${collection}/x/${subresource}`]));
    }
  return found;
}

beforeAll(async () => {
  const { code, stdout, stderr } = await session.run("up", "examples/echo", "--detach");
  expect(code, stdout + stderr).toBe(0);
  door = doorOf(session.kubeconfig);
  paths = await discoveredPaths();
  expect(paths.length).toBeGreaterThan(40);
});
afterAll(() => session.close());

/** Which of all routes and methods answered with something else. */
async function others(
  expected: readonly number[],
  make: (path: string) => Parameters<typeof request>[1],
): Promise<string[]> {
  const wrong: string[] = [];
  for (const path of [...paths, ...plainPaths])
    await Promise.all(
      methods.map(async (method) => {
        const { status } = await request(door, { ...make(path), method });
        if (!expected.includes(status)) wrong.push(`${method} ${path}: ${status}`);
      }),
    );
  return wrong;
}

describe("every route and method", () => {
  test("is closed without a token", async () => {
    expect(await others([401], (path) => ({ path }))).toEqual([]);
    expect(await others([401], (path) => ({ path, token: "x".repeat(64) }))).toEqual([]);
  });

  test("is closed to a foreign Host and to web pages, also with the token", async () => {
    const { token } = door;
    expect(await others([403], (path) => ({ path, token, host: "evil.example" }))).toEqual([]);
    expect(await others([403], (path) => ({ path, token, headers: { Origin: "http://localhost:3000" } }))).toEqual([]);
    expect(await others([403], (path) => ({ path, token, headers: { Origin: "null" } }))).toEqual([]);
  });
});

describe("a pod's token", () => {
  const may = [
    "/api/v1/namespaces/default/pods",
    "/api/v1/namespaces/default/services",
    "/api/v1/namespaces/default/endpoints",
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
  ];
  const tokenOfPod = async (): Promise<string> => {
    const { items } = await session.get<{ items: PodView[] }>("pods");
    const volumes = join(session.home, "default", "pods", items[0]!.metadata.uid, "volumes");
    return readFileSync(join(volumes, readdirSync(volumes)[0]!, "token"), "utf8").trim();
  };

  test("reads where the Services of its namespace are, and nothing else", async () => {
    const token = await tokenOfPod();
    for (const path of may) expect([path, (await request(door, { path, token })).status]).toEqual([path, 200]);
    const discovery = /^\/(|api|apis|openapi\/v[23]|api\/v1|apis\/[^/]+\/[^/]+|nothing\/here)$/;
    // Everyone may ask about himself (Kubernetes' ClusterRole system:basic-user).
    const ownRights = /\/selfsubject(?:accessreviews|rulesreviews|reviews)(?:\/x)?$/;
    const allowed: string[] = [];
    for (const path of paths.filter((candidate) => !discovery.test(candidate) && !ownRights.test(candidate)))
      for (const method of methods) {
        const { status } = await request(door, { path, method, token, body: method === "GET" ? "" : "{}" });
        const isRead =
          (method === "GET" || method === "HEAD") && may.some((root) => path === root || path === `${root}/x`);
        if (status !== 403 && !isRead) allowed.push(`${method} ${path}: ${status}`);
      }
    expect(allowed).toEqual([]);
  });

  test("opens no other namespace, mints no token, and dies with its pod", async () => {
    const token = await tokenOfPod();
    for (const path of ["/api/v1/namespaces/kube-system/pods", "/api/v1/pods", "/api/v1/namespaces/Default/pods"])
      expect([path, (await request(door, { path, token })).status]).toEqual([path, 403]);
    const mint = { path: "/api/v1/namespaces/default/serviceaccounts/default/token", method: "POST", body: "{}" };
    expect((await request(door, { ...mint, token })).status).toBe(403);
    await session.kubectl("delete", "pod", "--all");
    expect((await request(door, { path: may[0]!, token })).status).toBe(401);
  });
});

describe("what is sent to hurt", () => {
  const configmaps = "/api/v1/namespaces/default/configmaps";
  const refused = async (body: string, contentType: string, method = "POST", path = configmaps): Promise<void> => {
    const { status } = await request(door, { path, method, token: door.token, body, contentType });
    expect([400, 413, 415, 422], `${method} ${contentType} ${body.slice(0, 60)}`).toContain(status);
  };

  test("bodies beyond every depth, aimed at prototypes, or with more mistakes than text are refused", async () => {
    await refused("[".repeat(1_000_000), "application/json");
    await refused(`{"data":${"[".repeat(400_000)}${"]".repeat(400_000)}}`, "application/json");
    await refused('{"__proto__":{"x":1}}', "application/json");
    await refused("a: ".repeat(200_000), "application/yaml");
    await refused("&a ".repeat(100_000), "application/yaml");
    await refused("k8s\0garbage", "application/vnd.kubernetes.protobuf");
    await session.kubectl("create", "configmap", "target", "--from-literal=a=b");
    for (const type of ["json-patch+json", "merge-patch+json", "strategic-merge-patch+json"])
      for (const body of ['{"__proto__":{"x":1}}', '[{"op":"add","path":"/__proto__/x","value":1}]', "null", '"text"'])
        await refused(body, `application/${type}`, "PATCH", `${configmaps}/target`);
    expect(await session.kubectl("get", "configmap", "target", "-o", "jsonpath={.data}")).toBe('{"a":"b"}');
  });

  test("malformed HTTP costs its sender the connection, is counted, and nobody else notices", async () => {
    const { token } = door;
    const head = `Host: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n`;
    for (const bytes of [
      "\0\x01\x02garbage\r\n\r\n",
      `GET /api HTTP/1.1\r\n${head}X: ${"a".repeat(100_000)}\r\n\r\n`,
      `GET /api HTTP/9.9\r\n${head}\r\n`,
      `POST ${configmaps} HTTP/1.1\r\n${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x`,
      `POST ${configmaps} HTTP/1.1\r\n${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef`,
      `GET /api HTTP/1.1\n${head}\r\n`,
    ])
      expect((await send(door, bytes)).status, bytes.slice(0, 60)).not.toBe(200);
    const { body } = await request(door, { path: "/metrics", token });
    const dropped = [...body.matchAll(/^wherry_api_connections_dropped_total\{.*\} (\d+)$/gm)];
    expect(dropped.reduce((sum, match) => sum + Number(match[1]), 0)).toBeGreaterThanOrEqual(6);
  });
});
