// A service as its own process, with real sockets and signals: it starts, serves libzmq too, crashes in one record, and leaves without
// losing a request.
import { get } from "node:http";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect as connectTcp, createServer, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { Dealer, Request } from "zeromq";
import { connect } from "../client/connect.ts";
import { probe } from "../probe.ts";
import { echoProgram, startChild, stopChildren } from "../testing/child.ts";
import { freePort } from "../testing/free-port.ts";

/** util-linux's `script` gives a program a terminal. */
const hasScript = spawnSync("script", ["--version"]).status === 0;
if (!hasScript)
  console.warn("SKIPPED: the test of the log on a terminal needs `script` (Debian: apt install bsdutils)");

/** util-linux's `unshare` gives a program a PID namespace, where the kernel lets anyone make one. */
const pidNamespace = ["unshare", "--user", "--pid", "--fork", "--kill-child"];
const hasNamespaces = spawnSync("env", [...pidNamespace, "true"]).status === 0;
if (!hasNamespaces) console.warn("SKIPPED: the test as PID 1 needs `unshare` and user namespaces");

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await stopChildren();
});

function clientOf(...endpoints: string[]) {
  const client = connect("echo", { endpoints });
  cleanups.push(() => client.close());
  return client;
}

async function occupiedPort(): Promise<number> {
  const server: Server = createServer().listen(0, "127.0.0.1");
  cleanups.push(() => server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const fetchJson = async (url: string): Promise<[number, unknown]> => {
  const response = await fetch(url);
  return [response.status, await response.json()];
};

/** A program with one method that behaves as its body says. */
const program = (options = ""): string => `
  import { run, service, ServiceError } from "@wherry/service";
  await run(service("echo", { version: "1.2.3", methods: { do: (body: string) => {
    if (body === "hang") return new Promise(() => undefined);
    if (body === "bug") throw new TypeError("a bug in the handler");
    if (body === "stray") void Promise.reject(new Error("nobody catches this"));
    if (body === "expected") throw new ServiceError("EXPECTED", "no harm done");
    if (body === "block") { for (const end = performance.now() + 1e5; performance.now() < end; ); }
    return body;
  } } }), { ${options} });`;

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

describe("signals", () => {
  test("SIGTERM under load loses nothing: every request is answered by the other pod or the leaving one", async () => {
    const [leaving, staying] = [startChild(), startChild()];
    const client = clientOf((await leaving.listening).endpoint, (await staying.listening).endpoint);
    await expect.poll(() => client.counters.available).toBe(2);
    let [next, wrong] = [0, 0];
    const total = 20_000;
    const worker = async (): Promise<void> => {
      while (next < total) {
        const body = next++;
        if (body === total / 4) leaving.process.kill("SIGTERM");
        if ((await client.call("echo", body)) !== body) wrong++;
      }
    };
    await Promise.all(Array.from({ length: 100 }, worker));
    expect([wrong, client.counters.failed, client.counters.succeeded]).toEqual([0, 0, total]);
    expect(await leaving.exit).toEqual({ code: 0, signal: null });
    expect(client.counters.available).toBe(1);
  });

  test("SIGKILL under load loses no idempotent call", async () => {
    const [dying, staying] = [startChild(), startChild()];
    const client = clientOf((await dying.listening).endpoint, (await staying.listening).endpoint);
    await expect.poll(() => client.counters.available).toBe(2);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < 10_000) {
        const body = next++;
        if (body === 2500) dying.process.kill("SIGKILL");
        expect(await client.call("echo", body, { idempotent: true })).toBe(body);
      }
    };
    await Promise.all(Array.from({ length: 100 }, worker));
    expect(client.counters).toMatchObject({ failed: 0, succeeded: 10_000 });
  });

  test("the drain's deadline hands back what is left, in one record with the counts, and code 1", async () => {
    const child = startChild({ program: program("drainTimeoutMs: 300") });
    const client = clientOf((await child.listening).endpoint);
    const calls = ["hang", "never started"].map((body) =>
      client.call("do", body, { deadlineMs: 1500 }).catch((error: unknown) => error),
    );
    await expect.poll(() => client.counters.calls).toBe(2);
    await expect.poll(async () => (await fetchJson(`${(await child.listening).admin}/readyz`))[0]).toBe(200);
    await expect
      .poll(async () => (await fetch(`${(await child.listening).admin}/metrics`)).text())
      .toMatch(/wherry_queue_length 1[^]*wherry_requests_in_flight 1/);
    child.process.kill("SIGTERM");
    await expect
      .poll(async () => fetchJson(`${(await child.listening).admin}/readyz`))
      .toMatchObject([503, { status: "draining" }]);
    expect(await child.exit).toEqual({ code: 1, signal: null });
    expect(child.records.filter(({ level }) => level === "error")).toMatchObject([{ refused: 1, aborted: 1 }]);
    expect(await calls[0]).toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
    expect(await calls[1]).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      fate: "not-started",
      details: { lastCode: "REFUSED" },
    });
  });

  test("a second signal ends at once", async () => {
    const child = startChild({ program: program() });
    const { endpoint, admin } = await child.listening;
    const client = clientOf(endpoint);
    client.call("do", "hang").catch(() => undefined);
    await expect.poll(async () => (await fetch(`${admin}/metrics`)).text()).toContain("wherry_requests_in_flight 1");
    child.process.kill("SIGINT");
    await expect.poll(() => client.counters.available).toBe(0);
    child.process.kill("SIGTERM");
    expect(await child.exit).toEqual({ code: 143, signal: null });
    expect(child.records.at(-1)).toMatchObject({ level: "warn", running: 1 });
  });

  const startingProgram = (own = ""): string => `
    import { connect, run, service } from "@wherry/service";
    ${own}
    console.log(JSON.stringify({ level: "info", msg: "loading", endpoint: "", admin: "" }));
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    await run(service("test", { raw: (frames) => frames }));`;

  test.each(["SIGTERM", "SIGINT"] as const)("%s while its modules load ends it as always", async (signal) => {
    const child = startChild({ program: startingProgram() });
    await child.listening;
    child.process.kill(signal);
    expect(await child.exit).toEqual({ code: null, signal });
  });

  test.skipIf(!hasNamespaces)(
    "SIGTERM while its modules load ends it even as PID 1, which has no default",
    async () => {
      const child = startChild({
        program: startingProgram(),
        as: pidNamespace,
      });
      await child.listening;
      // unshare passes no signal on: its only child is the one.
      const [pid] = readFileSync(`/proc/${child.process.pid}/task/${child.process.pid}/children`, "utf8").split(" ");
      process.kill(Number(pid), "SIGTERM");
      expect(await child.exit).toEqual({ code: 143, signal: null });
    },
  );

  test.skipIf(!hasNamespaces)("SIGTERM to PID 1 drains: what runs is answered, and the code is 0", async () => {
    const code = `import { run, service } from "@wherry/service";
      await run(service("slow", { methods: { wait: () => new Promise((resolve) => setTimeout(() => resolve("done"), 500)) } }));`;
    const child = startChild({ program: code, as: pidNamespace });
    const client = connect("slow", { endpoints: [(await child.listening).endpoint] });
    cleanups.push(() => client.close());
    const call = client.call("wait");
    const { admin } = await child.listening;
    await expect.poll(async () => (await fetch(`${admin}/metrics`)).text()).toContain("wherry_requests_in_flight 1");
    const [pid] = readFileSync(`/proc/${child.process.pid}/task/${child.process.pid}/children`, "utf8").split(" ");
    process.kill(Number(pid), "SIGTERM");
    expect(await call).toBe("done");
    expect(await child.exit).toEqual({ code: 0, signal: null });
    expect(child.records.at(-1)).toMatchObject({ msg: "drained; ending" });
  });

  test("a program's own handler of a signal is not in competition", async () => {
    const own = `process.on("SIGTERM", () => setTimeout(() => process.exit(7), 100));`;
    const child = startChild({ program: startingProgram(own) });
    await child.listening;
    child.process.kill("SIGTERM");
    expect(await child.exit).toEqual({ code: 7, signal: null });
  });

  test("SIGTERM before it listens is heard", async () => {
    const child = startChild({
      program: `import { run, service } from "@wherry/service";
        const running = run(service("test", { raw: (frames) => frames }));
        process.kill(process.pid, "SIGTERM");
        await running;`,
    });
    expect(await child.exit).toEqual({ code: 0, signal: null });
  });
});

describe("probe", () => {
  test("tells a service that answers from one that is stopped, blocked, or not there", async () => {
    const child = startChild({ program: program() });
    const { endpoint } = await child.listening;
    expect(await probe(endpoint)).toMatchObject({ ok: true, state: "ready", service: "echo" });
    expect(await probe(endpoint.replace("tcp://", ""))).toMatchObject({ ok: true });

    child.process.kill("SIGSTOP");
    expect(await probe(endpoint, { timeoutMs: 200 })).toMatchObject({ ok: false });
    child.process.kill("SIGCONT");
    expect(await probe(endpoint, { timeoutMs: 5000 })).toMatchObject({ ok: true });

    clientOf(endpoint)
      .call("do", "hang", { deadlineMs: 60_000 })
      .catch(() => undefined);
    expect(await probe(endpoint, { timeoutMs: 5000 })).toMatchObject({ ok: true });

    child.process.kill("SIGKILL");
    await child.exit;
    const gone = await probe(endpoint, { timeoutMs: 200 });
    expect(gone).toMatchObject({ ok: false, error: expect.stringContaining("did not answer within 200 ms") });
  });

  test("a blocked event loop fails the probe, as does a peer of another protocol; the raw probe asks any of them", async () => {
    const child = startChild({ program: program() });
    const blocked = await child.listening;
    const client = clientOf(blocked.endpoint);
    client.call("do", "block").catch(() => undefined);
    await expect.poll(() => probe(blocked.endpoint, { timeoutMs: 200 })).toMatchObject({ ok: false });
    const methodsOnly = await startChild({ program: program() }).listening;
    expect(await probe(methodsOnly.endpoint, { raw: true, timeoutMs: 5000 })).toMatchObject({
      ok: false,
      error: expect.stringMatching(/^service echo has no raw handler, only methods/),
    });
    const echo = await startChild().listening;
    expect(await probe(echo.endpoint, { raw: true, timeoutMs: 5000 })).toMatchObject({ ok: true, state: "unknown" });
  });
});
