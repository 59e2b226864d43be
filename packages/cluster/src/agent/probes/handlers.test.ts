// Probe actions against real sockets on loopback; what leads elsewhere is refused before any packet leaves.
import { createServer as createHttp, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { SystemClock } from "@wherry/core";
import { afterEach, describe, expect, it } from "vitest";
import { loopbackHost, portOf, type ProbeAction, type ProbeResult, probeRunner } from "./handlers.ts";

const podIP = "127.204.64.2";
const run = probeRunner(new SystemClock());
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
async function serve(listener: RequestListener): Promise<number> {
  const server = createHttp(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, podIP, resolve));
  return (server.address() as AddressInfo).port;
}
const probe = (action: ProbeAction, timeoutMs = 60_000): Promise<ProbeResult> =>
  run(
    action,
    {
      podIP,
      container: { name: "c", ports: [{ name: "http", containerPort: 8080 }] },
      exec: (argv) =>
        Promise.resolve({ exitCode: argv[0] === "good" ? 0 : 1, output: argv.join(" "), timedOut: argv[0] === "slow" }),
    },
    timeoutMs,
  );

describe("httpGet", () => {
  it.each([
    [200, "success"],
    [204, "success"],
    [399, "success"],
    [400, "failure"],
    [503, "failure"],
  ])("%i is a %s", async (status, verdict) => {
    const port = await serve((_request, response) => response.writeHead(status).end("body"));
    expect((await probe({ httpGet: { port } })).verdict).toBe(verdict);
  });

  it("sends Kubernetes' headers, the manifest's and the path", async () => {
    const seen: unknown[] = [];
    const port = await serve((request, response) => {
      seen.push(
        request.url,
        request.headers["user-agent"],
        request.headers["accept"],
        request.headers["x-a"],
        request.headers.host,
      );
      response.end();
    });
    const httpHeaders = [
      { name: "X-A", value: "1" },
      { name: "Host", value: "example.test" },
    ];
    await probe({ httpGet: { port, path: "ready?x=1", httpHeaders } });
    expect(seen).toEqual(["/ready?x=1", "kube-probe/1.35", "*/*", "1", "example.test"]);
  });

  it("follows redirects on the same host, ten at most, and warns of others without going there", async () => {
    const port = await serve((request, response) => {
      const step = Number(request.url?.slice(1));
      if (request.url === "/away") response.writeHead(302, { location: "http://169.254.169.254/" }).end();
      else if (step > 0) response.writeHead(302, { location: `/${step - 1}` }).end();
      else response.end("there");
    });
    expect(await probe({ httpGet: { port, path: "/10" } })).toMatchObject({ verdict: "success" });
    expect(await probe({ httpGet: { port, path: "/11" } })).toMatchObject({ verdict: "failure" });
    expect(await probe({ httpGet: { port, path: "/away" } })).toMatchObject({ verdict: "warning" });
  });

  it("fails in time when nobody answers, and says so when nobody listens", async () => {
    const port = await serve(() => undefined);
    expect((await probe({ httpGet: { port } }, 50)).output).toMatch(/deadline exceeded/);
    expect((await probe({ httpGet: { port: 1 } })).output).toMatch(/connection refused/);
  });

  it("reads no more of a body than it must", async () => {
    const port = await serve((_request, response) => {
      response.on("error", () => undefined);
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, "x")));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    const result = await probe({ httpGet: { port } });
    expect(result.verdict).toBe("success");
    expect(result.output).toHaveLength(10 * 1024);
  });
});

describe("tcpSocket and exec", () => {
  it("succeed when it opens, or ends with 0", async () => {
    const port = await serve(() => undefined);
    expect((await probe({ tcpSocket: { port } })).verdict).toBe("success");
    expect((await probe({ tcpSocket: { port: 1 } })).output).toMatch(/connection refused/);
    expect((await probe({ exec: { command: ["good"] } })).verdict).toBe("success");
    expect((await probe({ exec: { command: ["bad", "news"] } })).output).toBe("bad news");
    expect((await probe({ exec: { command: ["slow"] } })).output).toMatch(/timed out/);
    expect((await probe({ grpc: { port: 1 } })).output).toMatch(/grpc probes aren't offered/);
  });
});

describe("where a probe may go", () => {
  it.each([
    ["169.254.169.254"],
    ["10.0.0.1"],
    ["example.com"],
    ["127.0.0.1.evil.example"],
    ["127.1"],
    ["2130706433"],
    ["[::1]"],
    ["0.0.0.0"],
  ])("not to %s", async (host) => {
    expect(loopbackHost(host, podIP)).toBeUndefined();
    expect((await probe({ httpGet: { host, port: 80 } })).output).toMatch(/refused/);
    expect((await probe({ tcpSocket: { host, port: 80 } })).output).toMatch(/refused/);
  });
  it("to the pod, and to this machine", () => {
    expect([undefined, "", "localhost", "127.0.0.1", "127.9.8.7"].map((host) => loopbackHost(host, podIP))).toEqual([
      podIP,
      podIP,
      "127.0.0.1",
      "127.0.0.1",
      "127.9.8.7",
    ]);
    expect([
      portOf("http", { name: "c", ports: [{ name: "http", containerPort: 8080 }] }),
      portOf("none", { name: "c" }),
      portOf("81", { name: "c" }),
    ]).toEqual([8080, undefined, 81]);
  });
});
