// The log of a real process: before `run`, into aggregators, and to its very end.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { fluentAggregator, httpAggregator } from "../testing/aggregators.ts";
import { startChild, stopChildren } from "../testing/child.ts";
import { freePort } from "../testing/free-port.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await stopChildren();
});

const ports = ["--port", "0", "--admin-port", "0"];

/** A service that logs before it runs, in a handler, and crashes on demand. */
const program = `
  import { log, run, service } from "@wherry/service";
  log.info("{count} items loaded", { count: 3 });
  log.debug("not at this level");
  await run(service("shop", { methods: {
    say: (body: string, context) => { context.log.info("{body} said", { body }); log.child({ module: "a" }).warn("{body} again", { body }); },
    flood: (count: number) => { for (let n = 0; n < count; n++) log.info("record {n}", { n, padding: "x".repeat(200) }); return process.memoryUsage.rss(); },
    bug: () => { throw new TypeError("the last word"); },
  } }));`;

describe("`log`, outside handlers", () => {
  test("works before `run` and after it, with the same level, name and time", async () => {
    const child = startChild({ program });
    const { endpoint } = await child.listening;
    const client = connect("shop", { endpoints: [endpoint] });
    cleanups.push(() => client.close());
    await client.call("say", "hello");
    await expect.poll(() => child.records.length).toBe(4);
    const [first, listens, handler, module] = child.records;
    expect(first).toMatchObject({
      level: "info",
      service: "shop",
      count: 3,
      msg: "3 items loaded",
      template: "{count} items loaded",
    });
    expect(String(first?.["time"]) <= String(listens?.["time"])).toBe(true);
    expect(handler).toMatchObject({ method: "say", msg: "hello said", peer: expect.stringContaining("tcp://") });
    expect(module).toMatchObject({ level: "warn", module: "a", msg: "hello again" });
    const metrics = await (await fetch(`${(await child.listening).admin}/metrics`)).text();
    expect(metrics).toContain('wherry_log_records_total{level="info"} 3');
  });

  test.each([
    ["that ends at once", "log.info('{a}', { a: 1 });", []],
    ["that ends later", "log.info('{a}', { a: 1 }); setTimeout(() => log.warn('later'), 500);", ["later"]],
    ["that throws", "log.info('{a}', { a: 1 }); throw new Error('bang');", []],
  ])("writes the records of a program without `run` %s", async (_name, code, more) => {
    const child = startChild({ program: `import { log } from "@wherry/service"; ${code}`, args: [] });
    await child.exit;
    expect(child.records.map(({ msg }) => msg)).toEqual(["1", ...more]);
    expect(child.records[0]).toMatchObject({ level: "info", a: 1, time: expect.stringMatching(/^20.*Z$/) });
  });
});

describe("sinks", () => {
  test("get the whole log, the last record of a drain included, and stdout nothing", async () => {
    const fluent = await fluentAggregator();
    cleanups.push(() => fluent.close());
    const child = startChild({ program, args: [...ports, "--log-to", `fluent://127.0.0.1:${fluent.port}`] });
    const recorded = (): unknown[] => fluent.messages.flatMap(({ entries }) => entries.map(({ record }) => record));
    await expect.poll(recorded).toContainEqual(expect.objectContaining({ msg: "3 items loaded" }));
    await expect.poll(recorded).toContainEqual(expect.objectContaining({ msg: expect.stringContaining("listens on") }));
    child.process.kill("SIGTERM");
    expect(await child.exit).toEqual({ code: 0, signal: null });
    expect(recorded()).toContainEqual(expect.objectContaining({ msg: "drained; ending" }));
    expect(recorded()).toHaveLength(4);
    expect(child.records).toEqual([]);
  });

  test("get a fatal record before the process ends, and stdout has it in any case", async () => {
    const loki = await httpAggregator(() => ({ status: 204, body: "" }));
    const dead = await httpAggregator(() => undefined);
    cleanups.push(
      () => loki.close(),
      () => dead.close(),
    );
    const targets = [`loki+http://127.0.0.1:${loki.port}`, `otlp+http://127.0.0.1:${dead.port}`];
    const child = startChild({ program, args: ports, env: { LOG_TO: targets.join(",") } });
    await expect.poll(() => loki.requests.length).toBeGreaterThan(0);
    const endpoint = /tcp:\/\/127.0.0.1:\d+/;
    await expect.poll(() => loki.requests.some(({ body }) => endpoint.test(body))).toBe(true);
    const found = endpoint.exec(loki.requests.map(({ body }) => body).join("\n"))?.[0] ?? "";
    const client = connect("shop", { endpoints: [found] });
    cleanups.push(() => client.close());
    await client.call("bug").catch(() => undefined);
    expect(await child.exit).toEqual({ code: 1, signal: null });
    expect(child.records).toMatchObject([{ level: "fatal", msg: "bug threw; ending: the last word" }]);
    expect(loki.requests.at(-1)?.body).toContain("the last word");
  });

  test("take it over TLS with a shared key, compressed, from a server whose certificate is trusted", async () => {
    const folder = mkdtempSync(join(tmpdir(), "wherry-tls-"));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const subject = ["-subj", "/CN=logs", "-addext", "subjectAltName=IP:127.0.0.1"];
    const made = spawnSync("openssl", [
      "req",
      "-x509",
      "-nodes",
      "-newkey",
      "rsa:2048",
      "-keyout",
      key,
      "-out",
      cert,
      ...subject,
    ]);
    expect(made.status, "this test needs Debian's openssl").toBe(0);
    const tls = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
    const fluent = await fluentAggregator(undefined, { sharedKey: "k3y", tls });
    cleanups.push(() => fluent.close());
    const LOG_TO = `fluent+tls://127.0.0.1:${fluent.port}/app`;
    const env = { LOG_TO, LOG_SHARED_KEY: "k3y", LOG_GZIP: "true", NODE_EXTRA_CA_CERTS: cert };
    const child = startChild({ program, args: ports, env });
    const recorded = (): unknown[] => fluent.messages.flatMap(({ entries }) => entries.map(({ record }) => record));
    await expect.poll(recorded).toContainEqual(expect.objectContaining({ msg: expect.stringContaining("listens on") }));
    child.process.kill("SIGTERM");
    expect(await child.exit).toEqual({ code: 0, signal: null });
    expect(recorded()).toContainEqual(expect.objectContaining({ msg: "drained; ending" }));
    expect(new Set(fluent.messages.map(({ compressed }) => compressed))).toEqual(new Set(["gzip"]));
    expect(child.records).toEqual([]);
    // A certificate that nobody vouches for: nothing is sent, and stdout has it.
    const before = fluent.messages.length;
    const wary = startChild({ program, args: ports, env: { ...env, NODE_EXTRA_CA_CERTS: "" } });
    await expect
      .poll(() => wary.records)
      .toContainEqual(expect.objectContaining({ msg: expect.stringContaining("is down") }));
    expect(wary.records.find(({ msg }) => msg.includes("is down"))?.["reason"]).toMatch(/self-signed certificate/);
    expect(fluent.messages).toHaveLength(before);
  });

  test.each([
    ["never answers", (port: number) => `loki+http://127.0.0.1:${port}`],
    ["takes the connection and never reads", (port: number) => `fluent://127.0.0.1:${port}`],
    ["has no address", () => "otlp+http://nowhere.invalid"],
  ])(
    "that %s hold nothing up, and each record is on stdout once, the last included, also after a second signal",
    async (_name, targetOf) => {
      const deaf = createServer((socket) => socket.on("error", () => undefined).pause()).listen(0, "127.0.0.1");
      await once(deaf, "listening");
      const sockets = new Set<Socket>();
      deaf.on("connection", (socket) => sockets.add(socket));
      cleanups.push(() => {
        for (const socket of sockets) socket.destroy();
        deaf.close();
      });
      const target = targetOf((deaf.address() as AddressInfo).port);
      for (const signals of [1, 2]) {
        // Where it listens it says in its log, which nobody takes yet.
        const port = await freePort();
        const args = ["--port", String(port), "--admin-port", "0", "--log-to", target];
        const child = startChild({ program, args });
        const client = connect("shop", { endpoints: [`tcp://127.0.0.1:${port}`], deadlineMs: 20_000 });
        cleanups.push(() => client.close());
        await client.call("flood", 2000);
        child.process.kill("SIGTERM");
        // The sinks have a second: within it there is no hurry to find it still alive.
        if (signals === 2) await expect.poll(() => child.process.kill("SIGTERM")).toBe(false);
        const { code } = await child.exit;
        expect(signals === 1 ? [0] : [0, 143]).toContain(code);
        const numbers = child.records.map((record) => record["n"]).filter((n) => n !== undefined);
        expect([numbers.length, new Set(numbers).size]).toEqual([2000, 2000]);
        // The sink's own word that it is down may come after it, or the watchdog's.
        expect(child.records.map(({ msg }) => msg).join("\n")).toMatch(/drained; ending|second signal/);
      }
    },
  );

  test("that are down cost no record and little memory under a flood: it is all on stdout, with one warning", async () => {
    const child = startChild({ program, args: [...ports, "--log-to", "fluent://127.0.0.1:1"] });
    const { endpoint, admin } = await child.listening;
    const client = connect("shop", { endpoints: [endpoint] });
    cleanups.push(() => client.close());
    const count = 30_000;
    const before = Number(await client.call("flood", 0));
    const after = Number(await client.call("flood", count, { deadlineMs: 60_000 }));
    // Down, or full while a try is under way: either way each is on stdout.
    const spilled = async (): Promise<number> => {
      const metrics = await (await fetch(`${admin}/metrics`)).text();
      const outcomes = metrics.matchAll(/wherry_log_sink_records_total\{[^}]*outcome="(?:down|full)"\} (\d+)/g);
      return [...outcomes].reduce((sum, [, number]) => sum + Number(number), 0);
    };
    await expect.poll(spilled).toBeGreaterThanOrEqual(count);
    child.process.kill("SIGTERM");
    expect(await child.exit).toEqual({ code: 0, signal: null });
    const numbers = new Set(child.records.map((record) => record["n"]).filter((n) => n !== undefined));
    expect(numbers.size).toBe(count);
    expect(child.records.filter(({ msg }) => msg.includes("is down"))).toHaveLength(1);
    expect(child.records.at(-1)).toMatchObject({ msg: "drained; ending" });
    // 7 MB of records went through; what is kept of them is the queue.
    expect(after - before).toBeLessThan(64 * 1024 * 1024);
  });
});
