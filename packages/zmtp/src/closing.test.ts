// Leaving peers and closing sockets: nothing that was accepted is lost unseen, and nothing is left behind.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "@wherry/core/testing";
import { keeper, RawPeer, text, until } from "./harness.suite.ts";
import { dealer, router, type Socket } from "./index.ts";

const keep = keeper();

const anyPort = "tcp://127.0.0.1:*";

describe("leaving", () => {
  it("disconnect flushes what was sent, and does not come back", async () => {
    const server = keep(router());
    const client = keep(dealer());
    const endpoint = await server.bind(anyPort);
    client.connect(endpoint);
    await client.writable();
    for (let n = 0; n < 900; n++) expect(client.send(`${n}`)).toBe("sent");
    client.disconnect(endpoint);
    expect(client.send("after")).toBe("no-peer");
    const got: string[] = [];
    while (got.length < 900) got.push(text(await server.receive(AbortSignal.timeout(60_000)))[1] ?? "");
    expect(got).toEqual(Array.from({ length: 900 }, (_, n) => `${n}`));
    await until(() => server.peers.size === 0 && client.counters.disconnected === 1);
    expect(client.counters.undelivered).toBe(0);
    expect(client.counters.drops["closed-here"]).toBe(1);
    expect(server.counters.drops["closed-by-peer"]).toBe(1);
  });

  it("a peer closed here comes back, unless told not to", async () => {
    const server = keep(router());
    const client = keep(dealer({ reconnect: { firstMs: 1, maxMs: 5 } }));
    const endpoint = await server.bind(anyPort);
    client.connect(endpoint);
    await client.writable();
    const [first] = client.peers.values();
    first?.close("rotate");
    await until(() => client.counters.connected === 2);
    const [second] = client.peers.values();
    expect(second?.id).not.toBe(first?.id);
    second?.close("enough", { reconnect: false });
    await until(() => client.counters.disconnected === 2);
    await expect(second?.writable()).rejects.toMatchObject({ code: "ZMTP_PEER_GONE" });
    client.connect(endpoint);
    await until(() => client.counters.connected === 3);
  });
});

describe("closing", () => {
  it("delivers every reply that was accepted, to a slow peer that goes on talking", async () => {
    const server = router();
    const client = keep(dealer({ receiveQueueMessagesMax: 1 }));
    client.connect(await server.bind(anyPort));
    await client.writable();
    client.send("go");
    const [id = ""] = await server.receive();
    // More than the network holds, so that much of it is on its way when the server closes.
    let accepted = 0;
    while (server.send([id, new Uint8Array(10_000)]) === "sent") accepted++;
    let replies = 0;
    const closed = server.close({ lingerMs: 60_000 });
    client.onMessages((messages) => {
      replies += messages.length;
      // Input that the server has not read must not make its closing a reset.
      client.send(new Uint8Array(5_000));
      return undefined;
    });
    expect(await closed).toEqual({ undelivered: 0 });
    await until(() => client.counters.disconnected === 1);
    expect(replies).toBe(accepted);
  });

  it("does not wait for the linger's end when all is flushed, though its own reader had fallen behind", async () => {
    // Time stands still: only the peer's FIN can end the closing.
    const server = router({ clock: new VirtualClock(), receiveQueueMessagesMax: 1 });
    const client = keep(dealer());
    client.connect(await server.bind(anyPort));
    await client.writable();
    for (let n = 0; n < 100; n++) client.send(new Uint8Array(10_000));
    await until(() => server.counters.messagesIn > 0);
    expect(await server.close()).toEqual({ undelivered: 0 });
  });

  it("tells how many messages a deaf peer did not take", async () => {
    const server = router();
    const endpoint = await server.bind(anyPort);
    const deaf = await RawPeer.connect(endpoint);
    deaf.introduce("DEALER", "deaf");
    await until(() => server.peers.size === 1);
    deaf.socket.pause();
    let accepted = 0;
    while (server.send(["deaf", new Uint8Array(100_000)]) === "sent") accepted++;
    const left: number[] = [];
    server.on("disconnect", (_peer, _reason, undelivered) => left.push(undelivered));
    const { undelivered } = await server.close({ lingerMs: 20 });
    expect(undelivered).toBeGreaterThan(0);
    expect(undelivered).toBeLessThan(accepted);
    expect(left).toEqual([undelivered]);
    expect(server.counters.undelivered).toBe(undelivered);
    deaf.destroy();
  });

  it("ends everyone who waits, and refuses what comes after", async () => {
    const server = router();
    const endpoint = await server.bind(anyPort);
    const client = dealer();
    const receiving = expect(client.receive()).rejects.toMatchObject({ code: "ZMTP_CLOSED" });
    const writing = expect(client.writable()).rejects.toMatchObject({ code: "ZMTP_CLOSED" });
    const iterated = (async () => {
      const messages = [];
      for await (const message of server) messages.push(message);
      return messages.length;
    })();
    await Promise.all([server.close(), client.close(), client.close()]);
    await Promise.all([receiving, writing]);
    expect(await iterated).toBe(0);
    expect(client.closed).toBe(true);
    await expect(client.receive()).rejects.toMatchObject({ code: "ZMTP_CLOSED" });
    await expect(server.bind(endpoint)).rejects.toMatchObject({ code: "ZMTP_CLOSED" });
    expect(() => client.connect(endpoint)).toThrow(expect.objectContaining({ code: "ZMTP_CLOSED" }));
    expect(client.send("x")).toBe("no-peer");
  });

  it("happens by itself at the end of an await using block", async () => {
    let kept: Socket;
    {
      await using server = router();
      await server.bind(anyPort);
      kept = server;
      expect(kept.closed).toBe(false);
    }
    expect(kept.closed).toBe(true);
  });

  it("leaves no timer, neither while connecting, nor shaking hands, nor after talking", async () => {
    const clock = new VirtualClock();
    const server = router({ clock, heartbeatMs: 100 });
    const endpoint = await server.bind(anyPort);
    const half = await RawPeer.connect(endpoint);
    const client = dealer({ clock, heartbeatMs: 100 });
    client.connect(endpoint);
    client.connect("tcp://127.0.0.1:9");
    await client.writable();
    await until(() => server.counters.accepted === 2);
    expect(clock.pendingTimers).toBeGreaterThanOrEqual(4);
    await Promise.all([server.close(), client.close()]);
    expect(clock.pendingTimers).toBe(0);
    half.destroy();
  });

  it("leaves nothing that keeps a process alive", () => {
    const script = `
      import { dealer, router } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
      const server = router({ heartbeatMs: 1000 });
      server.onMessages((messages) => void messages.forEach((message) => server.send(message)));
      const client = dealer({ heartbeatMs: 1000 });
      client.connect(await server.bind("tcp://127.0.0.1:*"));
      await client.writable();
      client.send("x");
      await client.receive();
      await Promise.all([client.close(), server.close()]);
      await new Promise((resolve) => setImmediate(resolve));
      console.log(JSON.stringify(process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|Immediate/.test(name))));
    `;
    const ran = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      timeout: 60_000,
    });
    expect(ran.stderr).toBe("");
    expect(ran.stdout.trim()).toBe("[]");
    expect(ran.status).toBe(0);
  });
});
