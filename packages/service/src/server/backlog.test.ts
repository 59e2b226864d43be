// Peers that do not read: one by one within bounds, together a danger to the rest.
import { silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { creditIntervalMs, outgoingBytesMax } from "../limits.ts";
import { service } from "../service.ts";
import { MemoryNetwork } from "../testing/memory-network.ts";
import { encode } from "../protocol/frames.ts";
import { messageType } from "../protocol/codes.ts";
import { slowestOf } from "./backlog.ts";
import { Server } from "./server.ts";

test("the slowest are named, as few as bring what waits within its bound, and never one who has less than another", () => {
  const session = fc.record({
    phase: fc.constantFrom("wherry" as const, "raw" as const, "dropped" as const),
    peer: fc.record({ queuedBytes: fc.nat(1000) }),
  });
  fc.assert(
    fc.property(fc.array(session), fc.nat(3000), (sessions, bytesMax) => {
      const slowest = slowestOf(new Map(sessions.entries()), bytesMax);
      const stay = sessions.filter((one) => one.phase !== "dropped" && !slowest.includes(one));
      const sum = (of: typeof sessions): number => of.reduce((total, { peer }) => total + peer.queuedBytes, 0);
      expect(sum(stay)).toBeLessThanOrEqual(bytesMax);
      const least = slowest.at(-1);
      if (least === undefined) return;
      expect(least.phase).not.toBe("dropped");
      expect(sum(stay) + least.peer.queuedBytes).toBeGreaterThan(bytesMax);
      for (const { peer } of stay) expect(peer.queuedBytes).toBeLessThanOrEqual(least.peer.queuedBytes);
    }),
  );
});

test("a service ends the connections of those for whom most waits, and keeps the others", async () => {
  const [clock, network] = [new VirtualClock(), new MemoryNetwork()];
  const router = network.router();
  const quiet = service("quiet", { methods: { ping: () => "pong" } });
  const options = { clock, random: new SeededRandom(1), log: silentLogger, instance: "i" };
  const server = new Server(router, quiet, options);
  await server.listen("tcp://pod:5555");
  const readers = Array.from({ length: 3 }, () => network.dealer());
  for (const reader of readers) {
    reader.connect("tcp://pod:5555");
    await clock.advance(1);
    reader.send(encode(messageType.hello, { texts: ["reader"] }));
  }
  await expect.poll(() => server.sessions.size).toBe(3);
  const waiting = [outgoingBytesMax / 2, outgoingBytesMax, 1000];
  for (const [index, { peer }] of [...server.sessions.values()].entries())
    Object.defineProperty(peer, "queuedBytes", { value: waiting[index] });
  server.noteWork();
  await clock.advance(creditIntervalMs);
  expect(server.metrics.faults["slow-reader"]).toBe(1);
  await expect.poll(() => server.sessions.size).toBe(2);
  expect([...server.sessions.values()].map(({ peer }) => peer.queuedBytes)).toEqual([outgoingBytesMax / 2, 1000]);
  await server.close();
});
