// A service as its own process, with real sockets: it starts, serves libzmq too, takes its options, and crashes in one record.
import { get } from "node:http";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer, type Server } from "node:net";
import { describe, expect, test } from "vitest";
import { Dealer, Request } from "zeromq";
import { service } from "../define.ts";
import { probe } from "../probe.ts";
import { echoProgram, startChild } from "../testing/child.ts";
import { freePort } from "../testing/free-port.ts";
import { run } from "./run.ts";
import { cleanups, clientOf, fetchJson, program } from "./run.suite.ts";

/** util-linux's `script` gives a program a terminal. */
const hasScript = spawnSync("script", ["--version"]).status === 0;
if (!hasScript)
  console.warn("SKIPPED: the test of the log on a terminal needs `script` (Debian: apt install bsdutils)");

async function occupiedPort(): Promise<number> {
  const server: Server = createServer().listen(0, "127.0.0.1");
  cleanups.push(() => server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test.each(["drainTimeoutMs", "drainMinimumMs"])(
  "a %s that is no time is refused before anything starts",
  async (name) => {
    const echo = service("echo", { methods: { echo: (body: unknown) => body } });
    for (const ms of [Number("five"), -1])
      await expect(run(echo, { argv: [], [name]: ms })).rejects.toMatchObject({
        code: "SERVICE_OPTION_INVALID",
        message: `${name}: expected milliseconds, 0 or more, got ${ms}`,
      });
  },
);

describe("the echo example", () => {
  test("echoes plain ZeroMQ sockets of libzmq, and calls", async () => {
    const { endpoint } = await startChild().listening;
    const request = new Request({ linger: 0 });
    const dealer = new Dealer({ linger: 0 });
    cleanups.push(
      () => request.close(),
      () => dealer.close(),
    );
    request.connect(endpoint);
    dealer.connect(endpoint);
    await request.send("hi");
    expect((await request.receive()).map(String)).toEqual(["hi"]);
    await request.send(["two", "frames"]);
    expect((await request.receive()).map(String)).toEqual(["two", "frames"]);
    await dealer.send(["a", "", "b"]);
    expect((await dealer.receive()).map(String)).toEqual(["a", "", "b"]);
    const client = clientOf(endpoint);
    expect(await client.call("echo", "hello")).toBe("hello");
    expect(await client["echo"]?.({ nested: [1, null] })).toEqual({ nested: [1, null] });
    expect(await client.call("echo", Uint8Array.of(0, 255))).toEqual(Buffer.from([0, 255]));
    await expect(client.call("nope", 1)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("answers health and metrics on the admin port", async () => {
    const { endpoint, admin } = await startChild().listening;
    for (const page of ["/healthz", "/livez", "/readyz"])
      expect(await fetchJson(admin + page)).toEqual([
        200,
        expect.objectContaining({ status: "ready", service: "echo" }),
      ]);
    await clientOf(endpoint).call("echo", 1);
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    expect(metrics).toContain('wherry_requests_total{method="echo",code="OK"} 1');
    expect(metrics).toContain('wherry_request_duration_seconds_bucket{le="+Inf",method="echo"} 1');
    expect(metrics).toMatch(/^nodejs_eventloop_lag_seconds /m);
    expect((await fetchJson(`${admin}/other`))[0]).toBe(404);
    expect((await fetch(`${admin}/healthz`, { method: "POST" })).status).toBe(405);
    expect((await fetch(`${admin}/metrics`, { headers: { origin: "https://evil.example" } })).status).toBe(403);
    const rebound = new URL(`${admin}/metrics`);
    const status = await new Promise((resolve, reject) => {
      const headers = { host: `evil.example:${rebound.port}` };
      get(rebound, { headers, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on("error", reject);
    });
    expect(status).toBe(421);
  });

  test("drops peers that send garbage, with a count, and serves everyone else", async () => {
    const { endpoint, admin } = await startChild().listening;
    const client = clientOf(endpoint);
    expect(await client.call("echo", 1)).toBe(1);
    const port = Number(new URL(endpoint).port);
    for (const garbage of ["GET / HTTP/1.1\r\n\r\n", "\0".repeat(200), "\xff".repeat(64)]) {
      const socket = connectTcp(port, "127.0.0.1").on("error", () => undefined);
      socket.end(Buffer.from(garbage, "latin1"));
      socket.resume();
      await once(socket, "close");
    }
    const dealer = new Dealer({ linger: 0 });
    cleanups.push(() => dealer.close());
    dealer.connect(endpoint);
    await dealer.send(Buffer.from([0xf5, 0x57, 0x52, 0x59, 1, 3, 0, 0]));
    const dropped = async (reason: string): Promise<number> => {
      const metrics = await (await fetch(`${admin}/metrics`)).text();
      return Number(new RegExp(`wherry_peer_drops_total{reason="${reason}"} (\\d+)`).exec(metrics)?.[1]);
    };
    await expect.poll(() => dropped("malformed-message")).toBe(1);
    await expect.poll(() => dropped("protocol-error")).toBeGreaterThan(0);
    expect(await client.call("echo", 2)).toBe(2);
  });
});

describe("options", () => {
  test.each([
    { args: ["--log-level", "warn"], env: { LOG_LEVEL: "debug" } },
    { args: [], env: { LOG_LEVEL: "warn" } },
  ])("the log level comes from the flag, else from the environment: $args $env", async ({ args, env }) => {
    const port = await freePort();
    const child = startChild({
      args: [...args, "--admin-port", "0"],
      env: { ...env, PORT: String(port) },
    });
    await expect.poll(() => probe(`tcp://127.0.0.1:${port}`)).toMatchObject({ ok: true });
    child.process.kill("SIGTERM");
    expect(await child.exit).toEqual({ code: 0, signal: null });
    expect(child.records).toEqual([]);
  });

  test.each([
    { args: ["--port", "99999"], env: {}, line: 'echo: --port: expected a whole number from 0 to 65535, got "99999"' },
    { args: [], env: { ADMIN_PORT: "x" }, line: 'echo: ADMIN_PORT: expected a whole number from 0 to 65535, got "x"' },
    { args: ["--log-level", "loud"], env: {}, line: /^echo: --log-level: expected one of trace, .*, got "loud"$/ },
    { args: ["--prot", "1"], env: {}, line: "echo: --prot: unknown flag; did you mean --port?" },
  ])("a bad value is one line on stderr, and code 2: $args $env", async ({ args, env, line }) => {
    const child = startChild({ args, env: env });
    expect(await child.exit).toEqual({ code: 2, signal: null });
    expect(child.stderr().trimEnd()).toMatch(line);
    expect(child.stderr().trimEnd().split("\n")).toHaveLength(1);
    expect(child.records).toEqual([]);
  });

  test("--help names every option", async () => {
    const child = startChild({ args: ["--help"] });
    expect(await child.exit).toEqual({ code: 0, signal: null });
    for (const option of ["--log-level", "--host", "--port", "--admin-port"])
      expect(child.other.join("\n")).toContain(option);
  });

  test.skipIf(!hasScript)("on a terminal, records are for people", async () => {
    const port = await occupiedPort();
    const command = `"${process.execPath}" "${echoProgram}" --port ${port} --admin-port 0`;
    const shown = spawnSync("script", ["--quiet", "--return", "--command", command, "/dev/null"], { encoding: "utf8" });
    expect(shown.status).toBe(1);
    expect(shown.stdout).toMatch(/FATAL.*could not start: messaging port.*\r\n.*WherryError[^:]*\r\n.*at /);
    expect(shown.stdout).not.toContain('"stack"');
    expect(shown.stdout).not.toContain('{"level"');
  });

  test.each([
    ["--port", "messaging port"],
    ["--admin-port", "admin port"],
  ])("a taken %s is one fatal record that names it and says what to do", async (flag, what) => {
    const port = await occupiedPort();
    const free = flag === "--port" ? "--admin-port" : "--port";
    const child = startChild({ args: [flag, String(port), free, "0"] });
    expect(await child.exit).toEqual({ code: 1, signal: null });
    expect(child.records).toMatchObject([{ level: "fatal" }]);
    expect(child.records[0]?.msg).toMatch(
      new RegExp(`${what} 127.0.0.1:${port} is taken .*choose another port with ${flag}`),
    );
  });
});

test("libzmq's REQ, sent to a service without a raw handler, gets the reason instead of waiting for ever", async () => {
  const { endpoint } = await startChild({ program: program() }).listening;
  const request = new Request({ linger: 0, receiveTimeout: 10_000 });
  cleanups.push(() => request.close());
  request.connect(endpoint);
  await request.send("hi");
  expect(String((await request.receive())[1])).toContain("service echo has no raw handler, only methods");
});

describe("crash-only", () => {
  test("a bug in a handler aborts its request, and is one fatal record and code 1", async () => {
    const child = startChild({ program: program() });
    const { endpoint } = await child.listening;
    const client = clientOf(endpoint);
    await expect(client.call("do", "expected")).rejects.toMatchObject({ code: "EXPECTED", message: "no harm done" });
    await expect(client.call("do", "bug")).rejects.toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
    expect(await child.exit).toEqual({ code: 1, signal: null });
    const fatal = child.records.filter(({ level }) => level === "fatal");
    expect(fatal).toMatchObject([
      {
        method: "do",
        aborted: 1,
        refused: 0,
        err: { type: "TypeError", message: "a bug in the handler" },
        msg: "do threw; ending: a bug in the handler",
      },
    ]);
    expect(child.stderr()).toBe("");
  });

  test("errors that follow the first are its consequences: still one record, and the answers still go out", async () => {
    const child = startChild({
      program: `
        import { run, service } from "@wherry/service";
        await run(service("echo", { concurrency: 3, methods: { do: async (body: string, { signal }) => {
          signal.addEventListener("abort", () => { throw new Error("and another " + body); });
          if (body === "bug") throw new Error("the first");
          await new Promise(() => undefined);
        } } }));`,
    });
    const client = clientOf((await child.listening).endpoint);
    const calls = ["a", "b", "bug"].map((body) => client.call("do", body).catch((error: unknown) => error));
    for (const call of calls) expect(await call).toMatchObject({ code: "ABORTED" });
    expect(await child.exit).toEqual({ code: 1, signal: null });
    const fatal = child.records.filter(({ level }) => level === "fatal");
    expect(fatal).toMatchObject([{ aborted: 3, err: { message: "the first" } }]);
  });

  test("a rejection that nobody handles ends the process the same way", async () => {
    const child = startChild({ program: program() });
    const client = clientOf((await child.listening).endpoint);
    await client.call("do", "stray").catch(() => undefined);
    expect(await child.exit).toEqual({ code: 1, signal: null });
    const fatal = child.records.filter(({ level }) => level === "fatal");
    expect(fatal).toMatchObject([{ err: { message: "nobody catches this" } }]);
  });
});
