// Peers that connect and say nothing: their connection ends in time, and nobody else's.
import { silentLogger } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import { MemoryNetwork } from "../testing/memory-network.ts";
import type { Peer as ZmqPeer } from "@wherry/zmtp";
import { expect, test } from "vitest";
import { silentPeerMs, silentPeersPauseMs, silentPeersPerLook } from "../limits.ts";
import { messageType } from "../protocol/codes.ts";
import { encode } from "../protocol/frames.ts";
import { start } from "./server.suite.ts";
import { settled } from "./settled.ts";
import { SilentPeers } from "./silent.ts";

const echo = { methods: { echo: (body: unknown) => body } };
const ping = encode(messageType.ping, { id: 1 });

test("a peer that says nothing is disconnected after its time, counted, and those who said HELLO stay", async () => {
  const { peer, clock, server } = await start(echo);
  const silent = await peer();
  const polite = (await peer()).hello();
  await expect.poll(() => polite.types).toEqual([messageType.welcome]);
  await clock.advance(silentPeerMs - 1);
  await settled();
  expect(silent.gone).toBe(false);
  await clock.advance(1);
  await expect.poll(() => silent.gone).toBe(true);
  expect(server.metrics.faults["silent-peer"]).toBe(1);
  await clock.advance(10 * silentPeerMs);
  polite.request(1, "echo", "still here");
  await expect.poll(() => polite.answers).toEqual([[1, "still here"]]);
});

test("who pings lives, and has its time anew; a BYE or a PONG is no name", async () => {
  const { peer, clock } = await start(echo);
  const [pinging, leaving, ponging] = [await peer(), await peer(), await peer()];
  leaving.socket.send(encode(messageType.bye, {}));
  ponging.socket.send(encode(messageType.pong, { texts: ["", ""] }));
  for (let round = 1; round <= 5; round++) {
    pinging.socket.send(ping);
    await expect.poll(() => pinging.types).toHaveLength(round);
    await clock.advance(silentPeerMs / 2);
    await settled();
    expect(pinging.gone).toBe(false);
  }
  await expect.poll(() => leaving.gone && ponging.gone).toBe(true);
  await clock.advance(silentPeerMs);
  await expect.poll(() => pinging.gone).toBe(true);
});

test("a service that was busy for longer than the time reads what was said meanwhile before it counts anybody as silent", async () => {
  const { peer, clock } = await start(echo);
  const heard = await peer();
  const unheard = await peer();
  // It lies there, unread, when the time is over: no turn of the loop was between.
  heard.hello();
  await clock.advance(silentPeerMs, 0);
  await expect.poll(() => unheard.gone).toBe(true);
  expect(heard.types).toEqual([messageType.welcome]);
  expect(heard.gone).toBe(false);
});

test("where there is a raw handler, plain peers may be silent until three quarters of the connections are taken", async () => {
  const { peer, clock, server } = await start({ raw: (frames) => frames }, silentLogger, { peersMax: 4 });
  const [quiet, spoke] = [await peer(), await peer()];
  spoke.socket.send(["", "hi"]);
  await expect.poll(() => spoke.raw).toHaveLength(1);
  await clock.advance(10 * silentPeerMs);
  await settled();
  quiet.socket.send(["", "late"]);
  await expect.poll(() => quiet.raw.map((frames) => frames.map(String))).toEqual([["", "late"]]);
  const silent = await peer();
  await clock.advance(2 * silentPeerMs);
  await expect.poll(() => silent.gone).toBe(true);
  expect([quiet.gone, spoke.gone]).toEqual([false, false]);
  expect(server.metrics.faults["silent-peer"]).toBeGreaterThan(0);
});

test("one timer stands for all of them, and none when nobody is silent", async () => {
  const { peer, clock, server } = await start(echo);
  // That of the credit, if any, is over.
  await clock.advance(1000);
  const before = clock.pendingTimers;
  const peers = await Promise.all(Array.from({ length: 20 }, () => peer()));
  expect(clock.pendingTimers).toBe(before + 1);
  await clock.advance(silentPeerMs);
  await expect.poll(() => peers.every(({ gone }) => gone)).toBe(true);
  // They would come back, and be silent again.
  for (const { socket } of peers) socket.disconnect();
  await expect.poll(() => server.silent.size).toBe(0);
  await clock.advance(2 * silentPeerMs);
  await expect.poll(() => clock.pendingTimers).toBe(before);
});

test("a flood of them is ended in parts, and nobody between two looks is forgotten", async () => {
  const clock = new VirtualClock();
  const ended: number[] = [];
  const socket = new MemoryNetwork().router();
  const silent = new SilentPeers({ clock, socket, mayBePlain: false, end: ({ id }) => ended.push(id) });
  const peers = Array.from({ length: 2 * silentPeersPerLook + 100 }, (_, id) => ({ id }) as ZmqPeer);
  for (const peer of peers) silent.listen(peer);
  await clock.advance(silentPeerMs);
  await expect.poll(() => ended).toHaveLength(silentPeersPerLook);
  for (const peer of peers.slice(-50)) silent.forget(peer);
  await clock.advance(silentPeersPauseMs);
  await expect.poll(() => ended).toHaveLength(2 * silentPeersPerLook);
  await clock.advance(silentPeersPauseMs);
  await expect.poll(() => ended).toHaveLength(2 * silentPeersPerLook + 50);
  expect(ended).toEqual(peers.slice(0, -50).map(({ id }) => id));
  silent.stop();
  silent.listen(peers[0] as ZmqPeer);
  expect(clock.pendingTimers).toBe(0);
});
