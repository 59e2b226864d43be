// What a pod does with what a killed NATS server left behind: a double of the server's answers, in virtual time.
import { silentLogger } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import { expect, test } from "vitest";
import { natsUnclaimedMs } from "../../limits.ts";
import type { Connected } from "./connection.ts";
import { Leftovers } from "./leftovers.ts";

/** A server whose consumer is past messages that its stream has: sequences, and when each was stored. */
function serverWith(stored: Map<number, number>, delivered: number) {
  const last = Math.max(0, ...stored.keys());
  const acknowledged: string[] = [];
  const state = () => {
    const present = [...stored.keys()];
    const first = present.length === 0 ? last + 1 : Math.min(...present);
    const between = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
    return { first_seq: first, last_seq: last, deleted: between.filter((seq) => !stored.has(seq)) };
  };
  const info = { delivered: { stream_seq: delivered }, ack_floor: { stream_seq: 1 }, num_ack_pending: 0 };
  const manager = {
    consumers: { info: async () => info },
    streams: {
      info: async () => ({ state: state() }),
      getMessage: async (_stream: string, { seq }: { seq: number }) =>
        stored.has(seq) ? { seq, time: new Date(stored.get(seq) ?? 0) } : null,
      deleteMessage: async (_stream: string, seq: number) => stored.delete(seq),
    },
  };
  const connection = { publish: (subject: string) => void acknowledged.push(subject) };
  return { connected: { manager, connection } as unknown as Connected, acknowledged };
}

test("deletes what it finished itself, and has run again what nobody claims, after others had their time", async () => {
  const clock = new VirtualClock();
  const stored = new Map([
    [2, 20],
    [3, 30],
    [4, 40],
  ]);
  const { connected } = serverWith(stored, 4);
  const again: number[] = [];
  const leftovers = new Leftovers({
    ...{ clock, log: silentLogger },
    // The third has the sequence of one that it finished, but is another message.
    finished: (_queue, seq, storedMs) => (seq === 2 && storedMs === 20) || (seq === 3 && storedMs === 29),
    again: async (_queue, { seq }) => {
      // The fourth cannot be stored at first.
      if (seq === 4 && !again.includes(3)) return false;
      again.push(seq);
      return true;
    },
  });
  leftovers.look("a.b", connected);
  await clock.advance(1000);
  expect([...stored.keys()]).toEqual([3, 4]);
  // Met again: who waits to be claimed does not begin anew.
  await clock.advance(natsUnclaimedMs / 2);
  leftovers.look("a.b", connected);
  await clock.advance(natsUnclaimedMs / 2 - 2000);
  expect(again).toEqual([]);
  await clock.advance(12_000);
  expect([again, [...stored.keys()]]).toEqual([[3, 4], []]);
  leftovers.close();
});

test("asks no more when all is clean, nor after it was closed", async () => {
  const clock = new VirtualClock();
  const { connected } = serverWith(new Map(), 0);
  let looks = 0;
  const asked = connected.manager.consumers;
  const answer = await asked.info("", "");
  asked.info = async () => {
    looks++;
    return answer;
  };
  const leftovers = new Leftovers({ clock, log: silentLogger, finished: () => false, again: async () => true });
  leftovers.look("a.b", connected);
  await clock.advance(60_000);
  expect(looks).toBe(1);
  leftovers.close();
  leftovers.look("a.b", connected);
  await clock.advance(60_000);
  expect(looks).toBe(1);
});
