// Peers get their turns, whoever joins, leaves or is full.
import "../leftovers.suite.ts";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Connection } from "../engine/connection.ts";
import { RoundRobin } from "./round-robin.ts";

interface FakePeer {
  readonly name: number;
  readonly writer: { room: () => boolean };
}

const peer = (name: number, room = true): FakePeer => ({ name, writer: { room: () => room } });
const as = (fake: FakePeer): Connection => fake as unknown as Connection;

it("gives everyone their turn, also after somebody has left", () => {
  const size = fc.integer({ min: 2, max: 8 });
  fc.assert(
    fc.property(size, fc.nat(20), fc.nat(7), (count, taken, leaver) => {
      const robin = new RoundRobin();
      const peers = Array.from({ length: count }, (_, name) => peer(name));
      for (const each of peers) robin.add(as(each));
      let last = -1;
      for (let n = 0; n < taken; n++) last = peers.indexOf(robin.take() as unknown as FakePeer);
      const leaving = leaver % count;
      robin.remove(as(peers[leaving] as FakePeer));
      // Those that stay, beginning behind the one that had the last turn.
      const order = Array.from({ length: count }, (_, n) => (last + 1 + n) % count).filter((n) => n !== leaving);
      const names = order.map(() => (robin.take() as unknown as FakePeer).name);
      expect(names).toEqual(order);
    }),
  );
});

it("passes over those without room, and says when nobody has any", () => {
  const robin = new RoundRobin();
  const [full, free] = [peer(0, false), peer(1)];
  robin.add(as(full));
  expect(robin.take()).toBeUndefined();
  expect(robin.hasRoom()).toBe(false);
  robin.add(as(free));
  expect([robin.take(), robin.take(), robin.take()]).toEqual([free, free, free]);
});
