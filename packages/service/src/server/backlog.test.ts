// Peers that do not read: one by one within bounds, together a danger to the rest.
import { silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { creditIntervalMs, eventCatchUpMs, outgoingBytesMax } from "../limits.ts";
import type { Content } from "../protocol/content.ts";
import { service } from "../define.ts";
import { MemoryNetwork } from "../testing/memory-network.ts";
import { encode } from "../protocol/frames.ts";
import { messageType } from "../protocol/codes.ts";
import { slowestOf } from "./backlog.ts";
import { Server } from "./server.ts";
import type { PublishedEvent, Subscriber } from "./event.ts";
import { Topics } from "./topics.ts";
import { unchecked } from "../topic.ts";

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

test("many subscribers that take nothing have a bound together, beyond which they miss events, keep their connections, and others get theirs", async () => {
  const options = { clock: new VirtualClock(), random: new SeededRandom(1), log: silentLogger, instance: "i" };
  const news = service("news", { topics: { news: unchecked<string>() }, methods: { ping: () => "pong" } });
  const server = new Server(new MemoryNetwork().router(), news, options);
  const topics = new Topics(server, 2000);
  const topic = topics.all.get("news");
  if (topic === undefined) throw new Error("expected the topic");
  class Reader implements Subscriber {
    readonly isSlow = false;
    waitingBytes = 0;
    last = 0;
    readonly #keeps: boolean;
    constructor(keeps: boolean) {
      this.#keeps = keeps;
    }
    event({ place }: PublishedEvent, { body }: Content): void {
      this.last = place;
      if (this.#keeps) this.waitingBytes += body?.length ?? 0;
    }
    position(_topic: string, last: number): void {
      this.last = last;
    }
  }
  const [slow, alsoSlow, quick, nearly] = [new Reader(true), new Reader(true), new Reader(false), new Reader(false)];
  for (const reader of [slow, alsoSlow, quick, nearly]) topics.subscribe(topic, reader);
  // Not more than its part of what may wait.
  nearly.waitingBytes = 50;
  const publish = (): string => topics.publish("news", "x".repeat(98));
  for (let event = 0; event < 5; event++) expect(publish()).toBe("sent");
  for (let event = 0; event < 100; event++) expect(publish()).toBe("partly");
  expect([slow.waitingBytes, alsoSlow.waitingBytes, quick.last, nearly.last]).toEqual([500, 500, 105, 105]);
  // One has taken all: there is room again, for both, and each is told how far the topic is.
  slow.waitingBytes = 0;
  await options.clock.advance(eventCatchUpMs);
  expect([slow.last, alsoSlow.last, publish()]).toEqual([105, 105, "sent"]);
  topics.close();
  await server.close();
});
