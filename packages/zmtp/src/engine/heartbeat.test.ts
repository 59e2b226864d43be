// Heartbeats in virtual time: who is silent too long is given up, once, and nobody else.
import "../leftovers.suite.ts";
import { VirtualClock } from "@wherry/core/testing";
import { expect, it } from "vitest";
import { parsePing } from "../wire/command.ts";
import { Heartbeat } from "./heartbeat.ts";

function fake(): {
  clock: VirtualClock;
  peer: ConstructorParameters<typeof Heartbeat>[0] & { paused: boolean; lastActivityMs: number };
  sent: Buffer[];
  missed: number[];
} {
  const clock = new VirtualClock();
  const sent: Buffer[] = [];
  const missed: number[] = [];
  const peer = {
    lastActivityMs: 0,
    paused: false,
    sendCommand: (frame: Buffer) => sent.push(frame),
    heartbeatMissed: (silentMs: number) => missed.push(silentMs),
  };
  return { clock, peer, sent, missed };
}

it("pings at the interval, and names three of them as its time to live", async () => {
  const { clock, peer, sent, missed } = fake();
  new Heartbeat(peer, clock, 1_000).start();
  await clock.advance(2_500);
  expect(sent.length).toBe(2);
  expect(parsePing(sent[0]?.subarray(7) ?? Buffer.alloc(0))).toMatchObject({ ttlMs: 3_000 });
  expect(missed).toEqual([]);
});

it("gives a peer up after three silent intervals, once", async () => {
  const { clock, peer, missed } = fake();
  new Heartbeat(peer, clock, 1_000).start();
  await clock.advance(10_000);
  expect(missed).toEqual([3_000]);
});

it("does not count silence while reading is paused here", async () => {
  const { clock, peer, missed } = fake();
  const heartbeat = new Heartbeat(peer, clock, 1_000);
  heartbeat.start();
  heartbeat.peerTtl(500);
  peer.paused = true;
  await clock.advance(10_000);
  expect(missed).toEqual([]);
});

it("keeps the time to live that a peer named, counted from its last sign of life", async () => {
  const { clock, peer, missed } = fake();
  const heartbeat = new Heartbeat(peer, clock, 0);
  heartbeat.start();
  heartbeat.peerTtl(500);
  await clock.advance(400);
  peer.lastActivityMs = clock.monotonic();
  await clock.advance(400);
  expect(missed).toEqual([]);
  await clock.advance(200);
  expect(missed).toEqual([500]);
});

it("sets no timer when nobody wants it, and leaves none when stopped", () => {
  const { clock, peer } = fake();
  const heartbeat = new Heartbeat(peer, clock, 0);
  heartbeat.start();
  heartbeat.peerTtl(0);
  expect(clock.pendingTimers).toBe(0);
  const busy = new Heartbeat(peer, clock, 100);
  busy.start();
  busy.peerTtl(500);
  expect(clock.pendingTimers).toBe(2);
  busy.stop();
  expect(clock.pendingTimers).toBe(0);
});
