// Binding, connecting, coming back, and stopping to accept.
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { echo, expectServed, keeper, RawPeer, until } from "./harness.suite.ts";
import { dealer, reply, request, router } from "./index.ts";

const keep = keeper();

const anyPort = "tcp://127.0.0.1:*";

describe("binding", () => {
  it("answers with the port that it got, also over IPv6", async () => {
    const server = keep(router());
    expect(await server.bind(anyPort)).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    expect(await server.bind("tcp://*:*")).toMatch(/^tcp:\/\/0\.0\.0\.0:\d+$/);
    const six = await server.bind("tcp://[::1]:*");
    expect(six).toMatch(/^tcp:\/\/\[::1\]:\d+$/);
    echo(server);
    const client = keep(dealer());
    client.connect(six);
    await client.writable();
    await expectServed(client, "over IPv6");
  });

  it("says when the address is taken, cannot be had, or makes no sense", async () => {
    const [first, second] = [keep(router()), keep(router())];
    const endpoint = await first.bind(anyPort);
    await expect(second.bind(endpoint)).rejects.toMatchObject({ code: "ZMTP_ADDRESS_IN_USE" });
    await expect(second.bind("tcp://192.0.2.1:*")).rejects.toMatchObject({ code: "ZMTP_BIND_FAILED" });
    await expect(second.bind("nonsense")).rejects.toMatchObject({ code: "ZMTP_ENDPOINT_INVALID" });
    await expect(second.bind("ipc:///no/such/folder/x.sock")).rejects.toMatchObject({ code: "ZMTP_BIND_FAILED" });
  });

  it("on an ipc path takes over a dead listener's file, never a live one's, and removes its own", async () => {
    const directory = mkdtempSync(join(tmpdir(), "zmtp-"));
    const path = join(directory, "x.sock");
    // A listener that dies without cleaning up.
    const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", script]);
    expect(existsSync(path)).toBe(true);

    const [server, other] = [keep(reply()), keep(reply())];
    expect(await server.bind(`ipc://${path}`)).toBe(`ipc://${path}`);
    expect(statSync(path).mode & 0o077).toBe(0);
    await expect(other.bind(`ipc://${path}`)).rejects.toMatchObject({ code: "ZMTP_ADDRESS_IN_USE" });
    echo(server);
    const client = keep(request());
    client.connect(`ipc://${path}`);
    await client.writable();
    await expectServed(client, "hi");
    await server.close();
    expect(existsSync(path)).toBe(false);
    rmSync(directory, { recursive: true });
  });
});

describe("connecting", () => {
  it("before anybody listens succeeds when somebody does", async () => {
    const probe = keep(router());
    const endpoint = await probe.bind(anyPort);
    await probe.close();
    const client = keep(dealer({ reconnect: { firstMs: 5, maxMs: 20 } }));
    let retries = 0;
    client.on("retry", () => retries++);
    client.connect(endpoint);
    await until(() => retries >= 3);
    expect(client.send("x")).toBe("no-peer");
    expect(client.counters.drops["connection-error"]).toBe(0);
    const server = keep(router());
    echo(server);
    await server.bind(endpoint);
    await client.writable();
    await expectServed(client, "there you are");
  });

  it("comes back after the server was restarted, time and again", async () => {
    const client = keep(dealer({ reconnect: { firstMs: 5, maxMs: 20 } }));
    let endpoint = anyPort;
    for (let round = 0; round < 3; round++) {
      const server = keep(router());
      echo(server);
      endpoint = await server.bind(endpoint);
      client.connect(endpoint);
      await client.writable();
      await expectServed(client, `round ${round}`);
      await server.close();
      await until(() => client.peers.size === 0);
    }
    expect(client.counters).toMatchObject({ connected: 3, disconnected: 3 });
  });

  it("backs off exponentially with full jitter, up to the maximum, and starts anew after a good connection", async () => {
    const probe = keep(router());
    const endpoint = await probe.bind(anyPort);
    await probe.close();
    const clock = new VirtualClock();
    const client = keep(dealer({ clock, random: new SeededRandom(3), reconnect: { firstMs: 100, maxMs: 1_000 } }));
    const delays: number[] = [];
    client.on("retry", (_endpoint, retryInMs) => delays.push(retryInMs));
    client.connect(endpoint);
    for (let n = 1; n <= 40; n++) {
      await until(() => delays.length === n);
      await clock.advance(delays.at(-1) ?? 0);
    }
    const ceilings = delays.map((_, n) => Math.min(1_000, 100 * 2 ** n));
    delays.forEach((delay, n) => expect(delay).toBeLessThanOrEqual(ceilings[n] ?? 0));
    expect(Math.max(...delays)).toBeGreaterThan(500);
    expect(Math.min(...delays.slice(4))).toBeLessThan(400);

    const server = keep(router());
    await server.bind(endpoint);
    while (client.peers.size === 0) await clock.advance(1_000);
    await clock.advance(2_000);
    delays.length = 0;
    await server.close();
    for (let n = 1; n <= 4; n++) {
      await until(() => delays.length === n);
      await clock.advance(delays.at(-1) ?? 0);
    }
    delays.slice(0, 4).forEach((delay, n) => expect(delay).toBeLessThanOrEqual(100 * 2 ** n));
  });

  it("twice to the same endpoint makes one connection", async () => {
    const server = keep(router());
    const client = keep(dealer());
    const endpoint = await server.bind(anyPort);
    client.connect(endpoint);
    client.connect(endpoint);
    await client.writable();
    expect(client.peers.size).toBe(1);
    expect(server.counters.accepted).toBe(1);
  });

  it("to a listener that never answers is given up and tried again", async () => {
    const held: import("node:net").Socket[] = [];
    const mute: Server = createServer((socket) => held.push(socket)).listen(0, "127.0.0.1");
    await until(() => mute.listening);
    const { port } = mute.address() as { port: number };
    const client = keep(dealer({ handshakeTimeoutMs: 20, reconnect: { firstMs: 1, maxMs: 1 } }));
    const reasons = new Set<string>();
    client.on("drop", (_address, reason) => reasons.add(reason));
    client.connect(`tcp://127.0.0.1:${port}`);
    await until(() => held.length >= 3);
    expect([...reasons]).toEqual(["handshake-timeout"]);
    await client.close();
    for (const socket of held) socket.destroy();
    mute.close();
  });
});

describe("stopping to accept", () => {
  it("frees the port and keeps serving the connections that stand", async () => {
    const server = keep(router());
    echo(server);
    const endpoint = await server.bind(anyPort);
    const client = keep(dealer());
    client.connect(endpoint);
    await client.writable();
    await server.stopAccepting();
    await expectServed(client, "still served");
    await expect(RawPeer.connect(endpoint)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    const successor = keep(router());
    expect(await successor.bind(endpoint)).toBe(endpoint);
    await expectServed(client, "still by the old one");
    expect(successor.counters.accepted).toBe(0);
  });
});
