// Peers that are broken or mean harm: each is dropped with a reason and a count, and a good peer is served all the while.
import { connect, type Socket as NetSocket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { echo, expectServed, RawPeer, ready, until } from "./harness.suite.ts";
import { dealer, type DropReason, router, type RouterSocket, type Socket, type SocketOptions } from "./index.ts";
import { encodeCommand, encodeError } from "./wire/command.ts";
import { encodeGreeting } from "./wire/greeting.ts";

let server: RouterSocket;
let endpoint: string;
let good: Socket;
let drops: { reason: DropReason; detail: string }[];
const peers: RawPeer[] = [];

async function start(options: SocketOptions = {}): Promise<void> {
  server = router(options);
  drops = [];
  server.on("drop", (_address, reason, detail) => drops.push({ reason, detail }));
  server.on("disconnect", (_peer, reason) => drops.push({ reason, detail: "" }));
  echo(server);
  endpoint = await server.bind("tcp://127.0.0.1:*");
  good = dealer();
  good.connect(endpoint);
  await good.writable();
}

async function raw(): Promise<RawPeer> {
  const peer = await RawPeer.connect(endpoint);
  peers.push(peer);
  return peer;
}

beforeEach(() => start());
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  await Promise.all([good.close({ lingerMs: 50 }), server.close({ lingerMs: 50 })]);
});

const greeting = encodeGreeting("NULL", false);
const introduced = Buffer.concat([greeting, ready("DEALER")]);
const twice = Buffer.concat([introduced, ready("DEALER"), Uint8Array.of(0xff)]);

describe("is dropped, others are served:", () => {
  it.each<[string, Uint8Array, DropReason]>([
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "protocol-error"],
    ["a mechanism of unprintable bytes", encodeGreeting("\u0001\u0007\u00ff", false), "mechanism-mismatch"],
    ["a socket type of a kilobyte", Buffer.concat([greeting, ready("\u00ff".repeat(1_000))]), "socket-type-mismatch"],
    ["random bytes", new SeededRandom(7).bytes(10_000), "protocol-error"],
    ["a READY of a gigabyte", Buffer.concat([greeting, Uint8Array.of(6, 0, 0, 0, 0, 64, 0, 0, 0)]), "frame-too-large"],
    ["a READY after READY, as a command that nobody knows, and then nonsense", twice, "protocol-error"],
    ["a PLAIN peer", encodeGreeting("PLAIN", false), "mechanism-mismatch"],
    ["a CURVE peer", encodeGreeting("CURVE", true), "mechanism-mismatch"],
    ["a SUB socket", Buffer.concat([greeting, ready("SUB")]), "socket-type-mismatch"],
    ["a peer without a socket type", Buffer.concat([greeting, encodeCommand("READY")]), "socket-type-mismatch"],
    [
      "READY with half a property",
      Buffer.concat([greeting, encodeCommand("READY", Uint8Array.of(3, 65))]),
      "protocol-error",
    ],
    ["a routing id that begins with a zero", Buffer.concat([greeting, ready("DEALER", "\0abc")]), "protocol-error"],
    ["a routing id of 256 bytes", Buffer.concat([greeting, ready("DEALER", "x".repeat(256))]), "protocol-error"],
    ["a message in place of READY", Buffer.concat([greeting, Uint8Array.of(0, 1, 65)]), "protocol-error"],
    ["PING in place of READY", Buffer.concat([greeting, encodeCommand("PING", Uint8Array.of(0, 0))]), "protocol-error"],
    ["ERROR in place of READY", Buffer.concat([greeting, encodeError("no\nthanks")]), "refused-by-peer"],
    ["reserved bits", Buffer.concat([introduced, Uint8Array.of(0x10, 0)]), "protocol-error"],
    ["a command with MORE", Buffer.concat([introduced, Uint8Array.of(5, 1, 65)]), "protocol-error"],
    ["PING without a time to live", Buffer.concat([introduced, encodeCommand("PING")]), "protocol-error"],
    ["a petabyte", Buffer.concat([introduced, Uint8Array.of(2, 0, 4, 0, 0, 0, 0, 0, 0)]), "frame-too-large"],
    ["ERROR after READY", Buffer.concat([introduced, encodeError("over")]), "refused-by-peer"],
  ])("%s", async (_, bytes, reason) => {
    const peer = await raw();
    peer.send(bytes);
    await until(() => peer.ended);
    await until(() => drops.length === 1);
    expect(drops[0]?.reason).toBe(reason);
    expect(drops[0]?.detail).toMatch(/^[ -~]{0,200}$/);
    expect(server.counters.drops[reason]).toBe(1);
    expect(server.peers.size).toBe(1);
    await expectServed(good, "still here");
  });
});

it("a mismatched socket type is told so in an ERROR command", async () => {
  const peer = await raw();
  peer.introduce("PUB");
  await until(() => peer.ended);
  expect(peer.received.toString("latin1")).toMatch(/\x05ERROR.*"PUB" peer cannot talk to ROUTER/);
});

it("our own socket is told too, and says it in its drop event", async () => {
  const other = router();
  const pair = dealer();
  const refusals: string[] = [];
  // REQ cannot talk to DEALER: both sides find out by themselves, or by the other's ERROR.
  const { request } = await import("./index.ts");
  const client = request();
  client.on("drop", (_address, reason) => refusals.push(reason));
  client.connect(await pair.bind("tcp://127.0.0.1:*"));
  await until(() => refusals.length > 0);
  expect(["socket-type-mismatch", "refused-by-peer"]).toContain(refusals[0]);
  await Promise.all([client.close(), pair.close(), other.close()]);
});

it("unknown commands are ignored, and PING is answered with its context", async () => {
  const peer = await raw();
  peer.introduce("DEALER");
  await until(() => server.peers.size === 2);
  const before = peer.received.length;
  peer.send(encodeCommand("WHATEVER", Uint8Array.of(1, 2, 3)), encodeCommand("PONG"));
  peer.send(encodeCommand("PING", Buffer.from("\0\0context")), Uint8Array.of(0, 1, 65));
  const expected = Buffer.concat([encodeCommand("PONG", Buffer.from("context")), Uint8Array.of(0, 1, 65)]);
  await until(() => peer.received.length >= before + expected.length);
  expect(peer.received.subarray(before)).toEqual(expected);
});

it("a handshake that never ends is ended", async () => {
  await Promise.all([good.close(), server.close()]);
  const clock = new VirtualClock();
  await start({ clock, handshakeTimeoutMs: 1_000 });
  const silent = await raw();
  const slow = await raw();
  slow.send(greeting.subarray(0, 30));
  await until(() => server.counters.accepted === 3);
  // A byte now and then does not buy time.
  await clock.advance(600);
  slow.send(greeting.subarray(30, 60));
  await clock.advance(600);
  await until(() => silent.ended && slow.ended);
  expect(server.counters.drops["handshake-timeout"]).toBe(2);
  await expectServed(good, "still here");
});

it("a peer that falls silent is dropped when heartbeats are on, and one that named its time to live also when off", async () => {
  await Promise.all([good.close(), server.close()]);
  const clock = new VirtualClock();
  await start({ clock, heartbeatMs: 1_000 });
  const silent = await raw();
  silent.introduce("DEALER");
  const mortal = await raw();
  mortal.introduce("DEALER");
  mortal.send(encodeCommand("PING", Uint8Array.of(0, 5)));
  await until(() => server.peers.size === 3 && [...server.peers.values()].every((peer) => peer.bytesIn > 100));
  await until(() => mortal.received.includes("PONG"));
  await clock.advance(600, 20);
  await until(() => mortal.ended);
  expect(silent.ended).toBe(false);
  for (let second = 0; second < 4; second++) {
    await clock.advance(1_000, 20);
    await expectServed(good, "still here");
  }
  await until(() => silent.ended);
  expect(server.counters.drops["heartbeat-timeout"]).toBe(2);
  expect(server.peers.size).toBe(1);
});

it("a ZMTP 3.0 peer is served, and not judged by heartbeats that it does not know", async () => {
  await Promise.all([good.close(), server.close()]);
  const clock = new VirtualClock();
  await start({ clock, heartbeatMs: 1_000 });
  const old = await raw();
  const greeting30 = Buffer.from(greeting);
  greeting30[11] = 0;
  old.send(greeting30, ready("DEALER", "old"), Uint8Array.of(0, 1, 65));
  await until(() => old.received.subarray(-3).equals(Buffer.from([0, 1, 65])));
  const length = old.received.length;
  for (let second = 0; second < 5; second++) {
    await clock.advance(1_000, 20);
    await expectServed(good, "still here");
  }
  expect(server.peer(Buffer.from("old"))).toBeDefined();
  expect(old.received.length).toBe(length);
});

it("a peer that has half closed still gets what it is owed, and then its end", async () => {
  const half = await raw();
  half.introduce("DEALER", "half");
  half.send(Uint8Array.of(0, 1, 65));
  half.socket.end();
  await until(() => half.ended);
  expect(half.received.subarray(-3)).toEqual(Buffer.from([0, 1, 65]));
  expect(drops).toEqual([{ reason: "closed-by-peer", detail: "" }]);
});

it("a peer whose machine is gone, without a word, is dropped by heartbeats, and what was queued to it is told", async () => {
  await Promise.all([good.close(), server.close()]);
  const clock = new VirtualClock();
  await start({ clock, heartbeatMs: 1_000, peerQueueBytesMax: 100_000 });
  const gone = await raw();
  gone.introduce("DEALER", "gone");
  await until(() => server.peers.size === 2);
  // Half-open: nothing it is sent is taken, and nothing comes.
  gone.socket.pause();
  while (server.send(["gone", new Uint8Array(60_000)]) === "sent");
  const undelivered: number[] = [];
  server.on("disconnect", (_peer, _reason, count) => undelivered.push(count));
  for (let second = 0; second < 4; second++) {
    await clock.advance(1_000, 20);
    await expectServed(good, "still here");
  }
  await until(() => server.peers.size === 1);
  expect(drops).toEqual([{ reason: "heartbeat-timeout", detail: "" }]);
  expect(undelivered[0]).toBeGreaterThan(0);
  expect(server.counters.undelivered).toBe(undelivered[0]);
});

it("a peer that reads nothing fills its own queue only, and is told apart from the others", async () => {
  await Promise.all([good.close(), server.close()]);
  await start({ peerQueueBytesMax: 100_000 });
  const deaf = await raw();
  deaf.introduce("DEALER", "deaf");
  await until(() => server.peers.size === 2);
  deaf.socket.pause();
  const chunk = new Uint8Array(60_000);
  let answer = server.send(["deaf", chunk]);
  for (let n = 0; n < 2_000 && answer === "sent"; n++) {
    answer = server.send(["deaf", chunk]);
    if (n % 20 === 0) await expectServed(good, String(n));
  }
  expect(answer).toBe("full");
  const peer = server.peer(Buffer.from("deaf"));
  expect(peer?.queuedBytes).toBeLessThan(100_000 + 2 * 60_100);
  await expectServed(good, "still here");
  deaf.destroy();
  await until(() => server.peers.size === 1);
  expect(server.counters.undelivered).toBeGreaterThan(0);
});

it("a peer that pings and reads nothing does not make memory grow", async () => {
  await Promise.all([good.close(), server.close()]);
  await start({ peerQueueBytesMax: 50_000 });
  const deaf = await raw();
  deaf.introduce("DEALER", "deaf");
  await until(() => server.peers.size === 2);
  deaf.socket.pause();
  const pings = Buffer.concat(Array.from({ length: 10_000 }, () => encodeCommand("PING", Buffer.alloc(18))));
  for (let n = 0; n < 40; n++) deaf.send(pings);
  const deafPeer = server.peer(Buffer.from("deaf"));
  await until(() => (deafPeer?.bytesIn ?? 0) > pings.length * 30);
  expect(deafPeer?.queuedBytes).toBeLessThan(200_000);
  await expectServed(good, "still here");
});

it("more connections than allowed are closed at once, and seen", async () => {
  await Promise.all([good.close(), server.close()]);
  await start({ peersMax: 2 });
  const second = await raw();
  second.introduce("DEALER");
  await until(() => server.peers.size === 2);
  const third = await raw();
  await until(() => third.ended);
  expect(drops).toEqual([{ reason: "too-many-peers", detail: "there are 2 connections already" }]);
  await expectServed(good, "still here");
});

it("a thousand that connect and go at once, in every state of a connection, leave nothing behind", async () => {
  const { port } = new URL(endpoint.replace("tcp:", "http:"));
  const ways: ((socket: NetSocket) => unknown)[] = [
    (socket) => socket.resetAndDestroy(),
    (socket) => socket.end(),
    (socket) => socket.end(greeting),
    (socket) => socket.write(greeting, () => socket.resetAndDestroy()),
    (socket) => socket.end(introduced),
    // A full handshake: it goes when it has our READY.
    (socket) => socket.once("data", () => socket.destroy()).write(introduced),
    (socket) => socket.end("GET / HTTP/1.1\r\n\r\n".repeat(10)),
    // In the middle of a message.
    (socket) => socket.end(Buffer.concat([introduced, Uint8Array.of(2, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2)])),
  ];
  let connects = 0;
  server.on("connect", () => connects++);
  const burst = 100;
  for (let first = 0; first < 1_000; first += burst) {
    const gone = Array.from({ length: burst }, async (_, n) => {
      const socket = connect(Number(port), "127.0.0.1");
      socket.on("error", () => undefined);
      socket.once("connect", () => ways[(first + n) % ways.length]?.(socket));
      socket.resume();
      await new Promise((resolve) => socket.once("close", resolve));
    });
    await expectServed(good, `while ${first} come and go`);
    await Promise.all(gone);
  }
  await expectServed(good, "still here");
  // A reset may take a connection away before it is accepted; all others were, and each of them is an event and a count.
  await until(() => server.peers.size === 1 && drops.length === server.counters.accepted - 1);
  const { accepted, connected, disconnected, drops: counts } = server.counters;
  expect(accepted).toBeGreaterThan(700);
  expect(accepted).toBeLessThanOrEqual(1_001);
  expect(connected).toBe(connects + 1);
  expect(connected - disconnected).toBe(1);
  expect(connects).toBeGreaterThan(100);
  for (const reason of Object.keys(counts) as DropReason[])
    expect([reason, counts[reason]]).toEqual([reason, drops.filter((drop) => drop.reason === reason).length]);
  expect(counts["protocol-error"]).toBeGreaterThan(0);
});
