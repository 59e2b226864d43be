// What a caller can ask for beyond sending and receiving: limits on the whole socket, giving up, idle peers, draining, batches,
// signals.
import { afterEach, describe, expect, it } from "vitest";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { RawPeer, text, until } from "./harness.suite.ts";
import { type AnySocket, dealer, pull, push, reply, request, router, subscriber } from "./index.ts";

const open: (() => unknown)[] = [];
const keep = <T extends AnySocket>(socket: T): T => {
  open.push(() => socket.close({ lingerMs: 50 }));
  return socket;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});
const anyPort = "tcp://127.0.0.1:*";
const patience = (): AbortSignal => AbortSignal.timeout(60_000);

describe("the socket's own limit", () => {
  it.each([
    ["messages", { sendQueueMessagesMax: 4, sendQueueBytesMax: 1e9 }],
    ["bytes", { sendQueueMessagesMax: 1e9, sendQueueBytesMax: 400_000 }],
  ])("in %s holds over all peers together, and there is room again when somebody reads", async (_, limit) => {
    const server = keep(router({ ...limit, peerQueueMessagesMax: 1_000 }));
    const endpoint = await server.bind(anyPort);
    const peers = await Promise.all(["a", "b"].map(async (id) => deafPeer(endpoint, id)));
    await until(() => server.peers.size === 2);
    let accepted = 0;
    const fill = (id: string): void => {
      while (server.send([id, Buffer.alloc(100_000)]) === "sent") accepted++;
    };
    fill("a");
    expect(accepted).toBeGreaterThan(0);
    // It is full for the other one too, once the kernel has no more room for that.
    fill("b");
    expect(server.send(["b", "x"])).toBe("full");
    const queued = [...server.peers.values()].map((peer) => peer.queuedMessages);
    const bytes = [...server.peers.values()].map((peer) => peer.queuedBytes);
    expect(queued.reduce((a, b) => a + b)).toBeLessThanOrEqual(limit.sendQueueMessagesMax);
    expect(bytes.reduce((a, b) => a + b)).toBeLessThanOrEqual(600_000);
    const room = server.writable(patience());
    for (const peer of peers) peer.socket.resume();
    await room;
    expect(server.send(["b", "x"])).toBe("sent");
  });

  it("counts nothing any more for a peer that has left", async () => {
    const server = keep(router({ sendQueueMessagesMax: 1 }));
    const endpoint = await server.bind(anyPort);
    const deaf = await deafPeer(endpoint, "deaf");
    const client = keep(dealer({ routingId: "client" }));
    client.connect(endpoint);
    await until(() => server.peers.size === 2);
    while (server.send(["deaf", Buffer.alloc(1_000_000)]) === "sent");
    expect(server.send(["client", "x"])).toBe("full");
    const [peer] = [...server.peers.values()].filter((each) => String(each.routingId) === "client");
    const room = peer?.writable(patience());
    deaf.destroy();
    await room;
    expect(server.send(["client", "x"])).toBe("sent");
    expect(text(await client.receive(patience()))).toEqual(["x"]);
  });
});

async function deafPeer(endpoint: string, id: string): Promise<RawPeer> {
  const peer = await RawPeer.connect(endpoint);
  open.push(() => peer.destroy());
  peer.introduce("DEALER", id);
  // It has to have heard our READY.
  await until(() => peer.received.length > 64);
  peer.socket.pause();
  return peer;
}

describe("reconnecting", () => {
  it("is given up after so many attempts, which is told; connecting again is possible", async () => {
    const server = router();
    const endpoint = await server.bind(anyPort);
    await server.close();
    const client = keep(dealer({ reconnect: { firstMs: 1, maxMs: 2, attemptsMax: 3 } }));
    const told: unknown[] = [];
    let retries = 0;
    client.on("retry", () => retries++);
    client.on("giveUp", (at, attempts) => told.push([at, attempts]));
    client.connect(endpoint);
    await until(() => told.length === 1);
    expect(told).toEqual([[endpoint, 3]]);
    expect(retries).toBe(2);
    const again = keep(router());
    await again.bind(endpoint);
    client.connect(endpoint);
    await client.writable(patience());
  });

  it("counts attempts in a row only", async () => {
    const server = keep(router());
    const client = keep(dealer({ reconnect: { firstMs: 1, maxMs: 2, attemptsMax: 2 } }));
    let gaveUp = 0;
    client.on("giveUp", () => gaveUp++);
    client.connect(await server.bind(anyPort));
    for (let round = 1; round <= 5; round++) {
      await until(() => client.counters.connected === round && server.peers.size === 1);
      for (const peer of server.peers.values()) peer.close();
      await until(() => client.counters.disconnected === round);
    }
    await client.writable(patience());
    expect(gaveUp).toBe(0);
  });

  it("stops for a reason that was named", async () => {
    const server = keep(router());
    const client = keep(dealer({ reconnect: { stopOn: ["closed-by-peer"] } }));
    const told: string[] = [];
    client.on("giveUp", (_, __, detail) => told.push(detail));
    client.connect(await server.bind(anyPort));
    await until(() => server.peers.size === 1);
    for (const peer of server.peers.values()) peer.close();
    await until(() => told.length === 1);
    expect(client.counters.connected).toBe(1);
    expect(told[0]).toContain("closed the connection");
  });

  it("ends when the signal is aborted, which closes the connection as well", async () => {
    const server = keep(router());
    const client = keep(dealer());
    const abort = new AbortController();
    client.connect(await server.bind(anyPort), abort.signal);
    await client.writable(patience());
    client.send("flushed");
    abort.abort();
    expect(client.send("after")).toBe("no-peer");
    expect(text(await server.receive(patience()))[1]).toBe("flushed");
    await until(() => server.peers.size === 0);
    expect(() => client.connect("tcp://127.0.0.1:9", abort.signal)).toThrow(abort.signal.reason as Error);
  });
});

describe("an idle peer", () => {
  it("is dropped when no message went either way, however much it pings", async () => {
    const clock = new VirtualClock();
    const server = keep(router({ clock, idleTimeoutMs: 1_000 }));
    const client = keep(dealer({ reconnect: { attemptsMax: 1, stopOn: ["closed-by-peer"] } }));
    client.connect(await server.bind(anyPort));
    await client.writable(patience());
    await until(() => server.peers.size === 1);
    const reasons: string[] = [];
    server.on("disconnect", (_, reason) => reasons.push(reason));
    // Three times three quarters of the time-out, with a message in between.
    for (let n = 1; n <= 3; n++) {
      await clock.advance(750);
      expect(server.peers.size).toBe(1);
      client.send("still here");
      await until(() => server.counters.messagesIn === n);
    }
    await clock.advance(2_000);
    await until(() => reasons.length === 1);
    expect(reasons).toEqual(["idle-timeout"]);
    expect(server.counters.drops["idle-timeout"]).toBe(1);
  });

  it("leaves no timer behind", async () => {
    const clock = new VirtualClock();
    const server = router({ clock, idleTimeoutMs: 1_000 });
    const client = dealer({ clock, random: new SeededRandom(1), idleTimeoutMs: 1_000 });
    client.connect(await server.bind(anyPort));
    await client.writable(patience());
    await Promise.all([server.close(), client.close()]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("draining", () => {
  it("ends when all is with the kernel, and the socket goes on", async () => {
    const sink = keep(pull());
    const source = keep(push());
    source.connect(await sink.bind(anyPort));
    await source.writable(patience());
    for (let n = 0; n < 100; n++) source.send(Buffer.alloc(10_000));
    const nothing = { unflushedMessages: 0, unflushedBytes: 0, peers: [], undelivered: 0 };
    expect(await source.drain({ deadlineMs: 5_000 })).toEqual(nothing);
    expect([...source.peers.values()].map((peer) => peer.messagesOut)).toEqual([100]);
    expect(source.send("more")).toBe("sent");
  });

  it("tells how many messages were lost with a peer that left meanwhile", async () => {
    const server = keep(router());
    const deaf = await deafPeer(await server.bind(anyPort), "deaf");
    await until(() => server.peers.size === 1);
    while (server.send(["deaf", Buffer.alloc(1_000_000)]) === "sent");
    const drained = server.drain({ deadlineMs: 60_000 });
    deaf.destroy();
    const { unflushedMessages, undelivered } = await drained;
    expect(unflushedMessages).toBe(0);
    expect(undelivered).toBeGreaterThan(0);
    expect(undelivered).toBe(server.counters.undelivered);
  });

  it("can be aborted", async () => {
    const server = keep(router());
    await deafPeer(await server.bind(anyPort), "deaf");
    await until(() => server.peers.size === 1);
    while (server.send(["deaf", Buffer.alloc(1_000_000)]) === "sent");
    const abort = new AbortController();
    const drained = expect(server.drain({ deadlineMs: 60_000, signal: abort.signal })).rejects.toThrow("enough");
    abort.abort(new Error("enough"));
    await drained;
  });

  it("closing is cut short by a signal, and still tells what was not delivered", async () => {
    const server = router();
    await deafPeer(await server.bind(anyPort), "deaf");
    await until(() => server.peers.size === 1);
    while (server.send(["deaf", Buffer.alloc(1_000_000)]) === "sent");
    const abort = new AbortController();
    const closed = server.close({ lingerMs: 3_600_000, signal: abort.signal });
    abort.abort();
    expect((await closed).undelivered).toBeGreaterThan(0);
  });
});

describe("batches", () => {
  it("go out with one call and come in as arrays, until the socket is closed", async () => {
    const sink = keep(pull());
    const source = keep(push({ peerQueueMessagesMax: 1_000 }));
    source.connect(await sink.bind(anyPort));
    await source.writable(patience());
    const messages = Array.from({ length: 900 }, (_, n) => [`${n}`, "body"]);
    expect(source.sendBatch(messages)).toEqual({ accepted: 900, result: "sent" });
    const got: string[] = [];
    let batches = 0;
    for await (const batch of sink.batches(patience())) {
      batches++;
      got.push(...batch.map(([frame]) => String(frame)));
      if (got.length === 900) void sink.close();
    }
    expect(got).toEqual(messages.map(([n]) => n));
    expect(batches).toBeLessThan(90);
  });

  it("say where they stopped, and why", async () => {
    const source = keep(push({ peerQueueMessagesMax: 3 }));
    expect(source.sendBatch(["a", "b"])).toEqual({ accepted: 0, result: "no-peer" });
    const endpoint = await source.bind(anyPort);
    const deaf = await RawPeer.connect(endpoint);
    open.push(() => deaf.destroy());
    deaf.introduce("PULL");
    await source.writable(patience());
    deaf.socket.pause();
    let answer = source.sendBatch([Buffer.alloc(1_000_000), Buffer.alloc(1_000_000)]);
    for (let n = 0; n < 1_000 && answer.result === "sent"; n++)
      answer = source.sendBatch([Buffer.alloc(1_000_000), Buffer.alloc(1_000_000)]);
    expect(answer.result).toBe("full");
    expect(answer.accepted).toBeLessThan(2);
  });

  it("wait for the first message, and can be aborted", async () => {
    const sink = keep(pull());
    await expect(sink.receiveBatch(AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
    const waiting = sink.receiveBatch();
    const source = keep(push());
    source.connect(await sink.bind(anyPort));
    await source.writable(patience());
    source.send("x");
    expect((await waiting).map(text)).toEqual([["x"]]);
  });

  it("of a REP are one request at a time", async () => {
    const server = keep(reply());
    const endpoint = await server.bind(anyPort);
    for (const name of ["a", "b"]) {
      const client = keep(request());
      client.connect(endpoint);
      await client.writable(patience());
      client.send(name);
    }
    await until(() => server.counters.messagesIn === 2);
    expect((await server.receiveBatch(patience())).length).toBe(1);
    expect(server.send("answer")).toBe("sent");
    expect((await server.receiveBatch(patience())).length).toBe(1);
  });
});

describe("signals and disposal", () => {
  it("binding can be aborted, before and while", async () => {
    const server = keep(router());
    await expect(server.bind(anyPort, AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
    const abort = new AbortController();
    const binding = expect(server.bind("tcp://127.0.0.1:*", abort.signal)).rejects.toThrow("while");
    abort.abort(new Error("while"));
    await binding;
    await server.bind(anyPort);
  });

  it("`using` closes", () => {
    let kept: AnySocket;
    {
      using socket = subscriber();
      kept = socket;
      expect(kept.closed).toBe(false);
    }
    expect(kept.closed).toBe(true);
  });

  it("sockets that only send or only receive say so when JavaScript asks them to do the other", async () => {
    const [source, sink, reader] = [keep(push()), keep(pull()), keep(subscriber())];
    await expect((source as unknown as typeof sink).receive()).rejects.toMatchObject({ code: "ZMTP_STATE" });
    expect((sink as unknown as typeof source).send("x")).toBe("state");
    expect((reader as unknown as typeof source).send("x")).toBe("state");
  });

  it("a PUSH discards what a peer sends it, and counts it", async () => {
    const source = keep(push());
    const peer = await RawPeer.connect(await source.bind(anyPort));
    open.push(() => peer.destroy());
    peer.introduce("PULL");
    peer.send([0, 1, 97], [0, 1, 98]);
    await until(() => source.counters.discarded === 2);
    expect(source.send("x")).toBe("sent");
  });
});
