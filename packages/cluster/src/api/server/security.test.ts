// Who is kept out, on every route and method; and that hostile bytes harm nobody but their sender.
// The numbers in brackets are those of reference/exemplars.md §4.4.
import { kinds, resources } from "@wherry/kube";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { plainRoots } from "../routes.ts";
import { reviewKinds } from "../reviews.ts";
import { adminToken, allowedHost, type HttpRequest, startListener, type TestListener } from "../listener.suite.ts";

let server: TestListener;
beforeAll(async () => {
  server = await startListener();
  await server.client.create(resources.namespaces, { metadata: { name: "default" } });
});
afterAll(() => server.close());

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Every route there is, from the table that the router itself uses: a new kind or subresource is tested by being there. */
const routes: readonly string[] = [
  ...plainRoots.map((root) => `/${root}`),
  "/apis/apps/v1",
  "/openapi/v3/apis/apps/v1",
  ...reviewKinds.map(({ group, version, plural }) => `/apis/${group}/${version}/${plural}`),
  ...kinds.flatMap(({ group, version, plural, namespaced, subresources }) => {
    const base = `${group === "" ? "/api" : `/apis/${group}`}/${version}${namespaced ? "/namespaces/default" : ""}/${plural}`;
    return [base, `${base}/x`, ...subresources.map((name) => `${base}/x/${name}`)];
  }),
  "/nowhere/at/all",
];

const everyRequest: readonly HttpRequest[] = routes.flatMap((path) => methods.map((method) => ({ method, path })));

/** Sends them all, and returns those that were not answered with `status`. */
async function notAnsweredWith(status: number, requests: readonly HttpRequest[]): Promise<string[]> {
  const before = server.backend.revision;
  const wrong = await Promise.all(
    requests.map(async (request) => {
      const answer = await server.send(request);
      return answer.status === status ? [] : [`${request.method ?? ""} ${request.path} → ${answer.status}`];
    }),
  );
  expect(server.backend.revision).toBe(before);
  return wrong.flat();
}

const withHeaders = (headers: Record<string, string>): readonly HttpRequest[] =>
  everyRequest.map((request) => ({ ...request, token: adminToken, headers }));

describe("on every route and method", () => {
  it("refuses a request without a token (22)", async () => {
    expect(await notAnsweredWith(401, everyRequest)).toEqual([]);
  });

  it("refuses a wrong token", async () => {
    const wrong = everyRequest.map((request) => ({ ...request, token: `${adminToken.slice(0, -1)}x` }));
    expect(await notAnsweredWith(401, wrong)).toEqual([]);
  });

  it("refuses a foreign Host, also with the token (7)", async () => {
    expect(await notAnsweredWith(403, withHeaders({ host: "evil.example" }))).toEqual([]);
  });

  it("refuses a foreign Origin, also with the token (6)", async () => {
    expect(await notAnsweredWith(403, withHeaders({ origin: "http://evil.example" }))).toEqual([]);
  });

  it("refuses requests of other sites' pages, also with the token (17)", async () => {
    expect(await notAnsweredWith(403, withHeaders({ "sec-fetch-site": "cross-site" }))).toEqual([]);
  });
});

describe("Host (5, 8)", () => {
  it.each([
    ["127.0.0.1", 200],
    ["127.0.0.1:6443", 200],
    ["[::1]:8443", 200],
    ["localhost", 200],
    ["LOCALHOST", 200],
    ["echo.default.localhost:80", 200],
    [allowedHost, 200],
    ["127.0.0.1.evil.example", 403],
    ["localhost.evil.example", 403],
    ["evil-localhost", 403],
    ["localhost6", 403],
    ["0.0.0.0", 403],
    ["2130706433", 403],
    ["127.0.0.2", 403],
    ["localhost.", 400],
    ["evil.localhost.", 400],
    ["a..localhost", 400],
    ["[::1%25eth0]", 400],
    ["[::1", 400],
    ["localhost:99999", 400],
    ["evil.com:bad", 400],
    ["a b", 400],
    ["user@localhost", 400],
    [`${"a".repeat(5000)}.localhost`, 400],
  ])("%j is answered with %i", async (host, status) => {
    expect((await server.send({ path: "/livez", token: adminToken, headers: { host } })).status).toBe(status);
  });

  const statusLine = async (bytes: string): Promise<string> => (await server.raw(bytes)).split("\r\n", 1)[0] ?? "";

  it("missing, double, or other than the target's is refused", async () => {
    expect(await statusLine("GET /livez HTTP/1.0\r\n\r\n")).toContain("400");
    expect(await statusLine("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n")).toContain("400");
    expect(await statusLine("GET /livez HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n")).toContain("400");
    const twice = "Host: localhost\r\nHost: evil.example\r\n";
    expect(await statusLine(`GET /livez HTTP/1.1\r\n${twice}Connection: close\r\n\r\n`)).toContain("400");
    const end = `HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${adminToken}\r\nConnection: close\r\n\r\n`;
    expect(await statusLine(`GET http://evil.example/livez ${end}`)).toContain("400");
    expect(await statusLine(`GET http://localhost/livez ${end}`)).toContain("200");
    expect(await statusLine(`GET /livez#x ${end}`)).toContain("400");
    expect(await statusLine(`CONNECT evil.example:443 ${end}`)).toContain("400");
  });
});

describe("Origin", () => {
  it.each(["null", "https://localhost:3000", "http://127.0.0.1", "", "%%%", "https://[::1"])(
    "%j is refused (11, 16, 17)",
    async (origin) => {
      expect((await server.send({ path: "/livez", headers: { origin } })).status).toBe(403);
    },
  );

  it("a preflight gets no permission (5)", async () => {
    const headers = { origin: "http://evil.example", "access-control-request-method": "DELETE" };
    const answer = await server.send({ method: "OPTIONS", path: "/api/v1/namespaces/default/pods/x", headers });
    expect(answer.status).toBe(403);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it("an upgrade is refused before 101 (10)", async () => {
    const upgrade = (headers: string): Promise<string> =>
      server.raw(
        `GET /api/v1/namespaces/default/pods/x/exec HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`,
      );
    expect(await upgrade("")).toMatch(/^HTTP\/1\.1 401 /);
    expect(await upgrade(`Authorization: Bearer ${adminToken}\r\nOrigin: http://evil.example\r\n`)).toMatch(
      /^HTTP\/1\.1 403 /,
    );
    expect(await upgrade(`Authorization: Bearer ${adminToken}\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe("answers", () => {
  it("can't be read, run or framed by a page (1, 4)", async () => {
    const answers = await Promise.all([
      server.send({ path: "/api/v1/secrets", token: adminToken }),
      server.send({ path: "/api/v1/secrets" }),
      server.send({ path: "/livez", token: adminToken }),
    ]);
    for (const { headers } of answers) {
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["cross-origin-resource-policy"]).toBe("same-origin");
      expect(headers["access-control-allow-origin"]).toBeUndefined();
    }
  });

  it("are Status objects when they refuse", async () => {
    const { text } = await server.send({ path: "/api/v1/pods" });
    expect(JSON.parse(text)).toMatchObject({ kind: "Status", reason: "Unauthorized", code: 401 });
  });

  it("never repeat the token (24)", async () => {
    const answers = await Promise.all(
      ["/nowhere", "/api/v1/namespaces/default/pods/x", "/metrics"].map((path) =>
        server.send({ path, token: adminToken }),
      ),
    );
    for (const { text, headers } of answers) expect(text + JSON.stringify(headers)).not.toContain(adminToken);
  });
});

describe("bodies", () => {
  const pods = "/api/v1/namespaces/default/pods";
  const post = (body: string, contentType: string): Promise<number> =>
    server
      .send({ method: "POST", path: pods, token: adminToken, body, headers: { "content-type": contentType } })
      .then(({ status }) => status);

  it.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])(
    "of type %s are refused (2, 3)",
    async (type) => {
      expect(await post('{"kind":"Pod"}', type)).toBe(415);
    },
  );

  it.each([
    ["not JSON", "{"],
    ["not an object", "[]"],
    ["a number", "7"],
    ["of another kind", '{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"}}'],
    ["of wrong types", '{"kind":"Pod","apiVersion":"v1","metadata":{"name":7}}'],
    ["a million levels deep", `{"a":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}`],
    ["aimed at prototypes", '{"kind":"Pod","__proto__":{"polluted":true}}'],
  ])("%s are refused (35)", async (_what, body) => {
    expect(await post(body, "application/json")).toBe(400);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("over the limit are refused", async () => {
    const outcome = await post(`{"x":"${"a".repeat(4 * 1024 * 1024)}"}`, "application/json").catch((problem: unknown) =>
      String((problem as { code?: string }).code),
    );
    // The server does not read what it refuses: the client sees the answer, or the connection end under its hands.
    expect([413, "ECONNRESET", "EPIPE"]).toContain(outcome);
    expect((await server.send({ path: "/livez", token: adminToken })).status).toBe(200);
  });

  it("in YAML are taken, bombs are not (34)", async () => {
    const good = "apiVersion: v1\nkind: Pod\nmetadata: {name: yaml}\nspec:\n  containers: [{name: c, image: x}]\n";
    expect(await post(good, "application/yaml")).toBe(201);
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ..."bcdefghi".split("").map(
        (c, i) =>
          `${c}: &${c} [${Array(9)
            .fill(`*${"abcdefghi"[i] ?? "a"}`)
            .join(",")}]`,
      ),
    ].join("\n");
    expect(await post(bomb, "application/yaml")).toBe(400);
    expect(await post("- 1\n---\n- 2\n", "application/yaml")).toBe(400);
  });

  it.each(["../x", "a/b", ".", "..", "a\u0000", "x".repeat(300), "Ünïcode", "__proto__", "constructor.", ""])(
    "with the name %j are refused (30)",
    async (name) => {
      const object = {
        kind: "Pod",
        apiVersion: "v1",
        metadata: { name },
        spec: { containers: [{ name: "c", image: "x" }] },
      };
      expect(await post(JSON.stringify(object), "application/json")).toBe(422);
    },
  );
});

describe("paths", () => {
  it.each(["/api/v1/namespaces/%zz/pods", "/api/v1/%", "/%c0%ae"])(
    "%s with a bad escape is refused (16)",
    async (path) => {
      expect((await server.send({ path, token: adminToken })).status).toBe(400);
    },
  );

  it.each([
    "/api/v1/namespaces/default/pods/..%2f..%2fsecrets",
    "/api/v1//pods",
    "/api/v1/namespaces/default/pods/a/b/c",
    "/api/v2/pods",
  ])("%s leads nowhere", async (path) => {
    expect((await server.send({ path, token: adminToken })).status).toBe(404);
  });
});

describe("malformed HTTP (53)", () => {
  it.each([
    ["garbage", "\u0000\u0001\u0002 nonsense\r\n\r\n"],
    ["a plain-text verb", "BREW /coffee HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["too large headers", `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(100_000)}\r\n\r\n`],
    ["two lengths", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"],
    [
      "a length and chunks",
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a bad chunk", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
  ])("%s: that connection is dropped and counted, others are served", async (_what, bytes) => {
    const before = server.api.metrics.dropped.total;
    const answer = await server.raw(bytes);
    expect(answer).not.toMatch(/^HTTP\/1\.1 2/);
    await expect.poll(() => server.api.metrics.dropped.total).toBeGreaterThan(before);
    expect((await server.send({ path: "/livez", token: adminToken })).status).toBe(200);
    const { text } = await server.send({ path: "/metrics", token: adminToken });
    expect(text).toContain("wherry_api_connections_dropped_total{");
  });

  it("half a request that breaks off leaves nothing behind", async () => {
    const socket = await server.open();
    socket.write("POST /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
    socket.destroy();
    await expect.poll(() => server.send({ path: "/livez", token: adminToken })).toMatchObject({ status: 200 });
  });
});
