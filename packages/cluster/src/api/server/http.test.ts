// The API as HTTP clients see it: discovery, documents, warnings, compression, watches on the wire, and the end of it all.
import { AppsV1Api, CoreV1Api, KubeConfig, type V1Pod, Watch } from "@kubernetes/client-node";
import { type Pod, resources } from "@wherry/kube";
import { Agent, request } from "node:https";
import { createGunzip } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminToken, type Answer, startListener, type TestListener } from "../listener.suite.ts";

let server: TestListener;
beforeAll(async () => {
  server = await startListener();
  await server.client.create(resources.namespaces, { metadata: { name: "default" } });
});
afterAll(() => server.close());

const token = adminToken;
const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  server.send({ path, token, headers });
const post = (path: string, object: unknown): Promise<Answer> =>
  server.send({ method: "POST", path, token, body: JSON.stringify(object) });

const configMaps = "/api/v1/namespaces/default/configmaps";
const configMap = (name: string, more: object = {}): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  ...more,
});

describe("discovery", () => {
  const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

  it("is aggregated for those who ask, and says so in the content type", async () => {
    const answer = await get("/apis", { accept: `${aggregated},application/json` });
    expect(answer.headers["content-type"]).toBe(aggregated);
    const { kind, items } = JSON.parse(answer.text) as {
      kind: string;
      items: {
        metadata: { name: string };
        versions: { resources: { resource: string; subresources?: { subresource: string }[] }[] }[];
      }[];
    };
    expect(kind).toBe("APIGroupDiscoveryList");
    const apps = items.find(({ metadata }) => metadata.name === "apps")?.versions[0]?.resources;
    const deployments = apps?.find(({ resource }) => resource === "deployments");
    expect(deployments?.subresources?.map(({ subresource }) => subresource)).toEqual(["status", "scale"]);
  });

  it("need not be sent again when nothing changed", async () => {
    const { headers } = await get("/api", { accept: aggregated });
    const again = await get("/api", { accept: aggregated, "if-none-match": headers.etag ?? "" });
    expect([again.status, again.text]).toEqual([304, ""]);
  });

  it("comes piece by piece for the others", async () => {
    const list = JSON.parse((await get("/api/v1")).text) as { resources: { name: string; verbs: string[] }[] };
    const names = list.resources.map(({ name }) => name);
    for (const name of ["pods", "pods/log", "pods/binding", "services", "namespaces/finalize"])
      expect(names).toContain(name);
    expect(JSON.parse((await get("/apis")).text)).toMatchObject({ kind: "APIGroupList" });
    expect(JSON.parse((await get("/apis/apps")).text)).toMatchObject({ preferredVersion: { groupVersion: "apps/v1" } });
    expect((await get("/apis/nope")).status).toBe(404);
  });

  it("says that patches are validated, so that kubectl sends typos to the server", async () => {
    const { paths } = JSON.parse((await get("/openapi/v3")).text) as {
      paths: Record<string, { serverRelativeURL: string }>;
    };
    const url = paths["apis/apps/v1"]?.serverRelativeURL ?? "";
    const document = await get(url);
    expect(document.text).toContain('"fieldValidation"');
    expect((await get(url, { "if-none-match": document.headers.etag ?? "" })).status).toBe(304);
    expect(
      (await get("/openapi/v2", { accept: "application/com.github.proto-openapi.spec.v2.v1.0+protobuf" })).status,
    ).toBe(406);
    expect(JSON.parse((await get("/openapi/v2")).text)).toMatchObject({ swagger: "2.0" });
  });
});

describe("field validation", () => {
  const typo = { ...configMap("typo"), dtaa: {} };

  it("warns by default, refuses when strict, and keeps quiet when told to", async () => {
    const warned = await post(`${configMaps}?dryRun=All`, typo);
    expect([warned.status, warned.headers["warning"]]).toEqual([201, '299 - "unknown field \\"dtaa\\""']);
    const strict = await post(`${configMaps}?fieldValidation=Strict`, typo);
    expect(strict.status).toBe(400);
    expect((JSON.parse(strict.text) as { message: string }).message).toContain(
      'strict decoding error: unknown field "dtaa"',
    );
    const quiet = await post(`${configMaps}?dryRun=All&fieldValidation=Ignore`, typo);
    expect([quiet.status, quiet.headers["warning"]]).toEqual([201, undefined]);
  });

  it("sees keys that come twice", async () => {
    const body = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":{"a":"1","a":"2"}}';
    const answer = await server.send({ method: "POST", path: `${configMaps}?fieldValidation=Strict`, token, body });
    expect((JSON.parse(answer.text) as { message: string }).message).toContain('duplicate field "data.a"');
  });

  it.each(["dryRun=Some", "fieldValidation=Maybe"])("refuses %s", async (query) => {
    expect((await post(`${configMaps}?${query}`, configMap("x"))).status).toBe(400);
  });

  it("warns of what is deprecated", async () => {
    expect((await get("/api/v1/namespaces/default/endpoints")).headers["warning"]).toContain(
      "v1 Endpoints is deprecated",
    );
  });
});

describe("objects over the wire", () => {
  it("are created with 201, deleted with a Status, and gone with 404", async () => {
    expect((await post(configMaps, configMap("a"))).status).toBe(201);
    const deleted = await server.send({ method: "DELETE", path: `${configMaps}/a`, token });
    expect(JSON.parse(deleted.text)).toMatchObject({ status: "Success", details: { name: "a", kind: "configmaps" } });
    expect((await get(`${configMaps}/a`)).status).toBe(404);
  });

  it("are deleted by selection", async () => {
    for (const [name, app] of [
      ["a", "x"],
      ["b", "x"],
      ["c", "y"],
    ] as const)
      await post(configMaps, { ...configMap(name), metadata: { name, labels: { app } } });
    const answer = await server.send({ method: "DELETE", path: `${configMaps}?labelSelector=app%3Dx`, token });
    expect((JSON.parse(answer.text) as { items: unknown[] }).items).toHaveLength(2);
    const left = await server.client.list(resources.configmaps, { namespace: "default" });
    expect(left.items.map(({ metadata }) => metadata.name)).toEqual(["c"]);
  });

  it("are compressed when they are large and the client can read that", async () => {
    await post(configMaps, configMap("large", { data: { a: "x".repeat(300_000) } }));
    const plain = await get(`${configMaps}/large`, { "accept-encoding": "identity" });
    const small = await gunzipped(`${configMaps}/large`);
    expect(small.encoding).toBe("gzip");
    expect(small.bytes).toBeLessThan(10_000);
    expect(small.text).toBe(plain.text);
  });

  it("come as YAML for those who ask", async () => {
    const answer = await get(`${configMaps}/c`, { accept: "application/yaml" });
    expect(answer.headers["content-type"]).toBe("application/yaml");
    expect(answer.text).toContain("kind: ConfigMap\n");
  });

  it("have headers alone on HEAD", async () => {
    const answer = await server.send({ method: "HEAD", path: `${configMaps}/c`, token });
    expect([answer.status, answer.text]).toEqual([200, ""]);
  });
});

function gunzipped(
  path: string,
): Promise<{ readonly encoding: string; readonly bytes: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "accept-encoding": "gzip" };
    request(
      { host: "127.0.0.1", port: server.listener.port, ca: server.ca, path, headers, agent: false },
      (incoming) => {
        let bytes = 0;
        let text = "";
        incoming.on("data", (chunk: Buffer) => (bytes += chunk.length));
        incoming
          .pipe(createGunzip())
          .on("data", (chunk: Buffer) => (text += chunk.toString()))
          .on("error", reject)
          .on("end", () => resolve({ encoding: incoming.headers["content-encoding"] ?? "", bytes, text }));
      },
    )
      .on("error", reject)
      .end();
  });
}

interface OpenWatch {
  readonly lines: string[];
  readonly ended: () => boolean;
  close(): void;
}

function openWatch(target: TestListener, path: string): Promise<OpenWatch> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ ca: target.ca });
    const headers = { authorization: `Bearer ${token}` };
    const outgoing = request({ host: "127.0.0.1", port: target.listener.port, agent, path, headers }, (incoming) => {
      const lines: string[] = [];
      let rest = "";
      let ended = false;
      incoming.on("data", (chunk: Buffer) => {
        const parts = (rest + chunk.toString()).split("\n");
        rest = parts.pop() ?? "";
        lines.push(...parts);
      });
      incoming.on("error", () => undefined);
      incoming.once("close", () => (ended = true));
      resolve({ lines, ended: () => ended, close: () => outgoing.destroy() });
    });
    outgoing.once("error", reject);
    outgoing.end();
  });
}

describe("a watch over the wire", () => {
  it("answers at once, and then one JSON line for each change", async () => {
    const watch = await openWatch(server, `${configMaps}?watch=true&fieldSelector=metadata.name%3Dlive`);
    await post(configMaps, configMap("live"));
    await expect.poll(() => watch.lines).toHaveLength(1);
    expect(JSON.parse(watch.lines[0] ?? "")).toMatchObject({ type: "ADDED", object: { metadata: { name: "live" } } });
    watch.close();
  });

  it("ends when its client leaves, also before the first byte", async () => {
    const open = (): number =>
      Number(/apiserver_longrunning_requests (\d+)/.exec(server.api.metrics.watches.render())?.[1] ?? 0);
    const counted = async (): Promise<number> => {
      await get("/metrics");
      return open();
    };
    await expect.poll(counted).toBe(0);
    const sockets = await Promise.all(Array.from({ length: 20 }, () => server.open()));
    for (const socket of sockets) {
      socket.write(
        `GET ${configMaps}?watch=true HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      );
      setImmediate(() => socket.destroy());
    }
    const stay = await openWatch(server, `${configMaps}?watch=true&resourceVersion=1`);
    await expect.poll(counted).toBe(1);
    stay.close();
    await expect.poll(counted).toBe(0);
  });

  it("ends cleanly when the server closes, and nothing is left open", async () => {
    const short = await startListener();
    await short.client.create(resources.namespaces, { metadata: { name: "default" } });
    const watch = await openWatch(short, "/api/v1/namespaces?watch=true");
    await expect.poll(() => watch.lines).toHaveLength(1);
    const closed = short.listener.close(10_000);
    await expect.poll(() => watch.ended()).toBe(true);
    await closed;
    await expect(short.send({ path: "/livez" })).rejects.toThrow();
    await short.close();
  });
});

describe("@kubernetes/client-node", () => {
  it("creates, lists, patches and watches", async () => {
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [
        {
          name: "c",
          server: `https://127.0.0.1:${server.listener.port}`,
          caData: Buffer.from(server.ca).toString("base64"),
          skipTLSVerify: false,
        },
      ],
      users: [{ name: "u", token }],
      contexts: [{ name: "x", cluster: "c", user: "u" }],
      currentContext: "x",
    });
    const core = config.makeApiClient(CoreV1Api);
    const namespace = "default";
    const seen: string[] = [];
    const watch = await new Watch(config).watch(
      "/api/v1/namespaces/default/pods",
      {},
      (type, object: Pod) => seen.push(`${type} ${object.metadata?.name ?? ""}`),
      () => undefined,
    );
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- their own examples pass plain objects
    const body: V1Pod = { metadata: { generateName: "node-" }, spec: { containers: [{ name: "c", image: "x" }] } };
    const created = await core.createNamespacedPod({ namespace, body });
    const { items } = await core.listNamespacedPod({ namespace, fieldSelector: "status.phase=Pending" });
    expect(items.map(({ metadata }) => metadata?.name)).toEqual([created.metadata?.name]);
    expect(created.metadata?.creationTimestamp).toBeInstanceOf(Date);
    await expect.poll(() => seen).toEqual([`ADDED ${created.metadata?.name ?? ""}`]);
    watch.abort();
    await expect(
      config.makeApiClient(AppsV1Api).readNamespacedDeployment({ namespace, name: "no" }),
    ).rejects.toMatchObject({ code: 404 });
  });
});
