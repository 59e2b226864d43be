// What a socket does must not depend on what carries it: the same tests over tcp, IPv6, ipc, Linux' abstract names and inproc.
import { mkdtempSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { VirtualClock } from "@wherry/core/testing";
import * as zmq from "zeromq";
import { echo, text, until } from "./harness.suite.ts";
import {
  type AnySocket,
  dealer,
  pair,
  publisher,
  pull,
  push,
  type ReceivingSocket,
  reply,
  request,
  router,
  subscriber,
  xpublisher,
} from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "zmtp-"));
const open: (() => unknown)[] = [];
const keep = <T extends AnySocket>(socket: T): T => {
  open.push(() => socket.close({ lingerMs: 50 }));
  return socket;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});
afterAll(() => rmSync(directory, { recursive: true }));

let names = 0;
const endpoints = {
  "tcp over IPv4": () => "tcp://127.0.0.1:*",
  "tcp over IPv6": () => "tcp://[::1]:*",
  ipc: () => `ipc://${join(directory, `${++names}.sock`)}`,
  "ipc with an abstract name": () => `ipc://@wherry-test-${process.pid}-${++names}`,
  inproc: () => `inproc://name-${++names}`,
};
const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));
if (!hasIpv6) console.warn("SKIPPED: tcp over IPv6, because this machine has no ::1");
const transports = (Object.keys(endpoints) as (keyof typeof endpoints)[]).filter(
  (name) => (hasIpv6 || name !== "tcp over IPv6") && (process.platform === "linux" || !name.includes("abstract")),
);
const patience = (): AbortSignal => AbortSignal.timeout(60_000);
const next = async (socket: ReceivingSocket): Promise<string[]> => text(await socket.receive(patience()));

describe.each(transports)("%s", (transport) => {
  const endpoint = endpoints[transport];

  it("takes a short frame from its sender at once, who may use its memory again", async () => {
    const server = keep(pull());
    const client = keep(push());
    client.connect(await server.bind(endpoint()));
    await client.writable(patience());
    const memory = Buffer.alloc(8_192);
    for (const letter of ["a", "b", "c"]) {
      memory.fill(letter);
      expect(client.send([memory, memory.subarray(0, 3)])).toBe("sent");
    }
    memory.fill("-");
    for (const letter of ["a", "b", "c"]) expect(await next(server)).toEqual([letter.repeat(8_192), letter.repeat(3)]);
  });

  it("carries requests and replies, of any size and number of frames", async () => {
    const server = keep(reply());
    echo(server);
    const client = keep(request());
    client.connect(await server.bind(endpoint()));
    await client.writable(patience());
    for (const body of ["x", Buffer.alloc(0), ["a", "", "b"], Buffer.alloc(300_000, 7)]) {
      expect(client.send(body)).toBe("sent");
      const got = await client.receive(patience());
      const sent = Array.isArray(body) ? body : [body];
      expect(got.map((frame) => Buffer.isBuffer(frame))).toEqual(sent.map(() => true));
      expect(Buffer.concat(got).equals(Buffer.concat(sent.map((frame) => Buffer.from(frame as string))))).toBe(true);
    }
  });

  it("keeps the order of each peer, and tells a ROUTER who it is", async () => {
    const server = keep(router());
    const bound = await server.bind(endpoint());
    const clients = ["one", "two"].map((routingId) => keep(dealer({ routingId })));
    for (const client of clients) client.connect(bound);
    for (const client of clients) await client.writable(patience());
    for (let n = 0; n < 300; n++) for (const client of clients) expect(client.send(`${n}`)).toBe("sent");
    const got = new Map<string, number[]>();
    for (let n = 0; n < 600; n++) {
      const [id = "", body] = await next(server);
      got.set(id, [...(got.get(id) ?? []), Number(body)]);
    }
    const inOrder = Array.from({ length: 300 }, (_, n) => n);
    expect(got).toEqual(
      new Map(
        [
          ["one", inOrder],
          ["two", inOrder],
        ].sort() as [string, number[]][],
      ),
    );
    expect(server.send(["two", "back"])).toBe("sent");
    expect(await next(clients[1] as ReceivingSocket)).toEqual(["back"]);
    expect(server.send(["three", "nobody"])).toBe("no-peer");
    const [peer] = server.peers.values();
    expect(peer?.metadata.get("Socket-Type")).toBe("DEALER");
    expect([peer?.messagesIn, server.counters.messagesIn]).toEqual([300, 600]);
    expect(peer?.address.startsWith(transport.split(" ")[0] ?? "")).toBe(true);
  });

  it("connecting before anybody has bound works, and so does coming back", async () => {
    const name = transport.startsWith("tcp") ? await freePort(endpoint()) : endpoint();
    const client = keep(dealer({ reconnect: { firstMs: 1, maxMs: 20 } }));
    client.connect(name);
    for (let round = 1; round <= 2; round++) {
      const server = router();
      await server.bind(name);
      await client.writable(patience());
      expect(client.send("hello")).toBe("sent");
      expect((await next(server))[1]).toBe("hello");
      await server.close();
      await until(() => client.counters.disconnected === round);
      expect(client.counters.drops["closed-by-peer"]).toBe(round);
    }
    expect(client.send("nobody there")).toBe("no-peer");
  });

  it("a slow reader makes `send` say full, by messages and by bytes; nothing is lost", async () => {
    for (const limit of [{ peerQueueMessagesMax: 5 }, { peerQueueBytesMax: 300_000 }]) {
      const sink = keep(pull({ receiveQueueMessagesMax: 1 }));
      const source = keep(push(limit));
      source.connect(await sink.bind(endpoint()));
      await source.writable(patience());
      let accepted = 0;
      while (source.send(Buffer.alloc(100_000)) === "sent") accepted++;
      expect(accepted).toBeGreaterThan(0);
      const [peer] = source.peers.values();
      const [roomAtPeer, room] = [peer?.writable(patience()), source.writable(patience())];
      for (let n = 0; n < accepted; n++) await sink.receive(patience());
      await Promise.all([roomAtPeer, room]);
      expect(source.send("end")).toBe("sent");
      expect(await next(sink)).toEqual(["end"]);
    }
  });

  it("closing delivers what was accepted, and both sides are told", async () => {
    const sink = keep(pull());
    const source = push();
    source.connect(await sink.bind(endpoint()));
    await source.writable(patience());
    for (let n = 0; n < 900; n++) expect(source.send(`${n}`)).toBe("sent");
    expect(await source.close()).toEqual({ undelivered: 0 });
    for (let n = 0; n < 900; n++) expect(await next(sink)).toEqual([`${n}`]);
    await until(() => sink.counters.drops["closed-by-peer"] === 1);
    expect(sink.peers.size).toBe(0);
  });

  it("closing tells how many messages a peer that reads nothing did not take", async () => {
    const sink = keep(pull({ receiveQueueMessagesMax: 1 }));
    const source = push();
    const bound = await sink.bind(endpoint());
    source.connect(bound);
    await source.writable(patience());
    let accepted = 0;
    const fill = (): void => {
      while (source.send(Buffer.alloc(100_000)) === "sent") accepted++;
    };
    fill();
    await until(() => sink.counters.messagesIn > 0);
    fill();
    const drained = await source.drain({ deadlineMs: 20 });
    expect(drained.unflushedMessages).toBeGreaterThan(0);
    expect(drained.unflushedBytes).toBeGreaterThan(0);
    expect(drained.peers).toEqual([...source.peers.values()]);
    const { undelivered } = await source.close({ lingerMs: 20 });
    expect(undelivered).toBeGreaterThan(0);
    expect(undelivered).toBeLessThanOrEqual(accepted);
    expect(undelivered).toBe(source.counters.undelivered);
  });

  it("socket types that may not talk do not: both sides drop it, and say so", async () => {
    const server = keep(router());
    const drops: string[] = [];
    server.on("drop", (_address, reason) => drops.push(reason));
    const client = keep(subscriber({ reconnect: { stopOn: ["socket-type-mismatch", "refused-by-peer"] } }));
    const given: string[] = [];
    client.on("giveUp", (at) => given.push(at));
    const bound = await server.bind(endpoint());
    client.connect(bound);
    await until(() => given.length === 1 && drops.length === 1);
    expect(drops).toEqual(["socket-type-mismatch"]);
    expect(given).toEqual([bound]);
    expect([server.peers.size, client.peers.size]).toEqual([0, 0]);
  });

  it("a message above the receiver's limit drops its sender", async () => {
    const sink = keep(pull({ messageBytesMax: 1_000 }));
    const source = keep(push({ reconnect: { attemptsMax: 1, stopOn: ["closed-by-peer", "connection-error"] } }));
    source.connect(await sink.bind(endpoint()));
    await source.writable(patience());
    source.send("small");
    source.send(Buffer.alloc(1_001));
    expect(await next(sink)).toEqual(["small"]);
    await until(() => sink.counters.drops["frame-too-large"] === 1 && source.peers.size === 0);
  });

  it("PAIR takes one peer, and the next when that has left", async () => {
    const one = keep(pair());
    const drops: string[] = [];
    one.on("drop", (_address, reason) => drops.push(reason));
    const bound = await one.bind(endpoint());
    const first = pair();
    first.connect(bound);
    await first.writable(patience());
    const second = keep(pair({ reconnect: { firstMs: 1, maxMs: 10 } }));
    second.connect(bound);
    await until(() => drops.length > 0);
    expect(new Set(drops)).toEqual(new Set(["pair-taken"]));
    expect([one.send("to first"), first.send("to one")]).toEqual(["sent", "sent"]);
    expect([await next(first), await next(one)]).toEqual([["to first"], ["to one"]]);
    await first.close();
    await until(() => one.peers.size === 1 && second.peers.size === 1);
    await one.writable(patience());
    expect(one.send("to second")).toBe("sent");
    expect(await next(second)).toEqual(["to second"]);
  });

  it("publishes", async () => {
    const news = keep(xpublisher());
    const reader = keep(subscriber());
    reader.subscribe("a");
    reader.connect(await news.bind(endpoint()));
    expect(await next(news)).toEqual(["\u0001a"]);
    expect([news.send(["a", "1"]), news.send("b")]).toEqual(["sent", "no-peer"]);
    expect(await next(reader)).toEqual(["a", "1"]);
    reader.unsubscribe("a");
    expect(await next(news)).toEqual(["\u0000a"]);
  });

  it("stopping to accept leaves the peers alone; a taken endpoint says so", async () => {
    const server = keep(reply());
    echo(server);
    const bound = await server.bind(endpoint());
    await expect(keep(reply()).bind(bound)).rejects.toMatchObject({ code: "ZMTP_ADDRESS_IN_USE" });
    const client = keep(request());
    client.connect(bound);
    await client.writable(patience());
    await server.stopAccepting();
    const late = keep(request({ reconnect: { firstMs: 1, maxMs: 10 } }));
    late.connect(bound);
    client.send("still");
    expect(await next(client)).toEqual(["still"]);
    expect(late.peers.size).toBe(0);
    await keep(reply()).bind(bound);
    await late.writable(patience());
  });
});

/** An endpoint that is free now. */
async function freePort(wildcard: string): Promise<string> {
  const socket = router();
  const endpoint = await socket.bind(wildcard);
  await socket.close();
  return endpoint;
}

it("libzmq connects to our abstract name, and we to its", async ({ skip }) => {
  skip(process.platform !== "linux", "abstract names are Linux'");
  const server = keep(reply());
  echo(server);
  const client = new zmq.Request({ linger: 0, receiveTimeout: 60_000 });
  open.push(() => client.close());
  client.connect(await server.bind(endpoints["ipc with an abstract name"]()));
  await client.send("hello");
  expect(text(await client.receive())).toEqual(["hello"]);

  const theirs = new zmq.Pull({ linger: 0, receiveTimeout: 60_000 });
  open.push(() => theirs.close());
  const name = endpoints["ipc with an abstract name"]();
  await theirs.bind(name);
  const source = keep(push());
  source.connect(name);
  await source.writable(patience());
  source.send("hello");
  expect(text(await theirs.receive())).toEqual(["hello"]);
});

describe("inproc", () => {
  it("hands large frames over as they are, without copying", async () => {
    const sink = keep(pull());
    const source = keep(push());
    source.connect(await sink.bind(endpoints.inproc()));
    await source.writable();
    const body = Buffer.alloc(8_193);
    source.send([body, "text"]);
    const got = await sink.receive(patience());
    expect(got[0]).toBe(body);
    expect(got[1]).toEqual(Buffer.from("text"));
  });

  it("two sockets that answer each other without end do not starve the rest", async () => {
    const [one, two] = [keep(pair()), keep(pair())];
    two.connect(await one.bind(endpoints.inproc()));
    await two.writable();
    let running = 0;
    for (const socket of [one, two])
      socket.onMessages((messages) => {
        expect(++running).toBe(1);
        socket.sendBatch(messages);
        running--;
        return undefined;
      });
    one.send("ball");
    await until(() => one.counters.messagesIn > 100);
  });

  it("closing a peer from within its reader's batch ends in order", async () => {
    const [one, two] = [keep(pair()), keep(pair({ reconnect: { stopOn: ["closed-by-peer", "closed-here"] } }))];
    two.connect(await one.bind(endpoints.inproc()));
    await two.writable();
    const got: string[] = [];
    one.onMessages((messages) => {
      for (const message of messages) {
        got.push(...text(message));
        if (got.length === 1) for (const peer of one.peers.values()) peer.close("enough");
      }
      return undefined;
    });
    two.sendBatch(["1", "2", "3"]);
    await until(() => two.counters.disconnected === 1 && one.counters.disconnected === 1);
    expect(got).toEqual(["1", "2", "3"]);
    expect([one.counters.drops["closed-here"], two.counters.drops["closed-by-peer"]]).toEqual([1, 1]);
    expect((await two.drain({ deadlineMs: 0 })).unflushedBytes).toBe(0);
  });

  it("many messages of one tick come in one batch", async () => {
    const sink = keep(pull());
    const batches: number[] = [];
    sink.onMessages((messages) => {
      batches.push(messages.length);
      return undefined;
    });
    const source = keep(push());
    source.connect(await sink.bind(endpoints.inproc()));
    await source.writable();
    expect(source.sendBatch(["1", "2", ["3", "3"]])).toEqual({ accepted: 3, result: "sent" });
    await until(() => batches.length > 0);
    expect(batches).toEqual([3]);
  });

  it("a connecting socket that is disconnected or closed no longer waits for the name", async () => {
    const name = endpoints.inproc();
    const [left, closed] = [keep(dealer()), dealer()];
    for (const each of [left, closed]) each.connect(name);
    left.disconnect(name);
    await closed.close();
    const server = keep(router());
    await server.bind(name);
    const client = keep(dealer());
    client.connect(name);
    await client.writable();
    expect(server.counters.accepted).toBe(1);
  });

  it("peersMax holds, and leaves no timer behind", async () => {
    const clock = new VirtualClock();
    const server = router({ peersMax: 1, clock });
    const name = await server.bind(endpoints.inproc());
    const [first, second] = [dealer({ clock }), dealer({ clock })];
    first.connect(name);
    await first.writable();
    second.connect(name);
    await until(() => server.counters.drops["too-many-peers"] === 1);
    await Promise.all([first.close(), second.close(), server.close()]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("a publisher and its subscribers share one message", async () => {
    const news = keep(publisher());
    const name = await news.bind(endpoints.inproc());
    const readers = [keep(subscriber()), keep(subscriber())];
    for (const reader of readers) {
      reader.subscribe("");
      reader.connect(name);
    }
    await until(() => news.peers.size === 2 && news.counters.messagesIn === 2);
    const body = Buffer.alloc(10_000);
    expect(news.send(body)).toBe("sent");
    for (const reader of readers) expect((await reader.receive(patience()))[0]).toBe(body);
  });
});
