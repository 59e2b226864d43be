// What a pod does with what a killed NATS server left behind: a double of the server's answers, in virtual time.
import { silentLogger } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import { expect, test } from "vitest";
import { natsGonePage, natsUnclaimedMs } from "../../limits.ts";
import type { Connected } from "./connection.ts";
import { Leftovers } from "./leftovers.ts";

interface Held {
  /** When each message was stored, by its sequence. */
  readonly stored: Map<number, number>;
  /** Sequences that the consumer waits for, of messages or of what is gone. */
  readonly awaited?: Set<number>;
  /** The last that the consumer delivered, and the last that the stream gave away. */
  readonly delivered: number;
  readonly last: number;
}

/** A server with one queue, and how often it was asked for what. */
function serverWith({ stored, awaited = new Set(), delivered, last }: Held) {
  const asked = { looks: 0, details: 0, messages: 0 };
  const acknowledged: number[] = [];
  const present = (): number[] => [...stored.keys()].toSorted((a, b) => a - b);
  const state = (details: boolean) => {
    const [first = last + 1] = present();
    const between = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
    const deleted = details ? { deleted: between.filter((seq) => !stored.has(seq)) } : {};
    return { first_seq: first, last_seq: last, messages: stored.size, ...deleted };
  };
  const consumer = () => ({
    delivered: { stream_seq: delivered },
    ack_floor: { stream_seq: Math.min(delivered, ...[...awaited].map((seq) => seq - 1)) },
    num_ack_pending: awaited.size,
    num_pending: present().filter((seq) => seq > delivered).length,
  });
  const messageAt = (seq: number) => (stored.has(seq) ? { seq, time: new Date(stored.get(seq) ?? 0) } : null);
  const nextAt = (from: number): number => {
    let seq = from;
    while (seq <= last && !stored.has(seq)) seq++;
    return seq;
  };
  const manager = {
    consumers: {
      info: async () => {
        asked.looks++;
        return consumer();
      },
    },
    streams: {
      info: async (_stream: string, options?: { deleted_details: boolean }) => {
        if (options?.deleted_details === true) asked.details++;
        return { state: state(options?.deleted_details === true) };
      },
      getMessage: async (_stream: string, { seq, next_by_subj }: { seq: number; next_by_subj?: string }) => {
        asked.messages++;
        return messageAt(next_by_subj === undefined ? seq : nextAt(seq));
      },
      deleteMessage: async (_stream: string, seq: number) => {
        if (!stored.delete(seq)) throw new Error("no message found");
        return true;
      },
    },
  };
  const publish = (subject: string): void => {
    const seq = Number(subject.split(".")[5]);
    acknowledged.push(seq);
    awaited.delete(seq);
    stored.delete(seq);
  };
  return { connected: { manager, connection: { publish } } as unknown as Connected, acknowledged, asked };
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

test("deletes what it finished itself, and has run again what nobody claims, after others had their time", async () => {
  const clock = new VirtualClock();
  const stored = new Map([
    [2, 20],
    [3, 30],
    [4, 40],
  ]);
  const { connected } = serverWith({ stored, delivered: 4, last: 4 });
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
  const { connected, asked } = serverWith({ stored: new Map(), delivered: 0, last: 0 });
  const leftovers = new Leftovers({ clock, log: silentLogger, finished: () => false, again: async () => true });
  leftovers.look("a.b", connected);
  await clock.advance(60_000);
  const { looks } = asked;
  expect(looks).toBeGreaterThan(0);
  await clock.advance(600_000);
  leftovers.close();
  leftovers.look("a.b", connected);
  await clock.advance(60_000);
  expect(asked.looks).toBe(looks);
});

test("acknowledges all that is gone behind a message that runs for long, only that, and asks for it once: beyond a thousand it was never reached", async () => {
  const clock = new VirtualClock();
  const gone = numbers(2, 6000);
  const stored = new Map([
    [1, 10],
    [20_001, 80],
    [20_002, 90],
  ]);
  const awaited = new Set([1, ...gone, 20_001]);
  const { connected, acknowledged, asked } = serverWith({ stored, awaited, delivered: 20_001, last: 20_002 });
  const leftovers = new Leftovers({ clock, log: silentLogger, finished: () => false, again: async () => true });
  leftovers.look("a.b", connected);
  await clock.advance(1000);
  expect([...awaited]).toEqual([1, 20_001]);
  expect([...stored.keys()]).toEqual([1, 20_001, 20_002]);
  // Not what was acknowledged long ago, but for the rest of a page.
  expect(acknowledged.length).toBeLessThanOrEqual(gone.length + natsGonePage);
  // For as long as that message runs it looks on, and asks for no more than figures.
  await clock.advance(600_000);
  expect(asked).toMatchObject({ details: 1, messages: 0 });
  const { looks } = asked;
  await clock.advance(600_000);
  expect(asked.looks).toBeGreaterThan(looks);
  // The same again is seen while it goes on.
  for (const seq of gone.slice(0, 10)) awaited.add(seq);
  await clock.advance(20_000);
  expect([[...awaited], asked.details]).toEqual([[1, 20_001], 2]);
  leftovers.close();
});

test("runs each of many that nobody claims once, though two pods look, and remembers a bounded number of them", async () => {
  const clock = new VirtualClock();
  const unclaimedMax = 100;
  const count = unclaimedMax * 2 + 50;
  const stored = new Map(numbers(1, count).map((seq) => [seq, seq * 10]));
  const { connected, asked } = serverWith({ stored, delivered: count, last: count });
  const again = new Set<number>();
  const pod = (mine: (seq: number) => boolean): Leftovers =>
    new Leftovers({
      ...{ clock, log: silentLogger, unclaimedMax, finished: (_queue: string, seq: number) => mine(seq) },
      again: async (_queue, { seq }) => {
        again.add(seq);
        return true;
      },
    });
  // The last are those of the second pod, which has more in front of them than it remembers.
  const pods = [pod(() => false), pod((seq) => seq > count - 20)];
  for (const each of pods) each.look("a.b", connected);
  for (let seconds = 0; seconds < 300 && stored.size > 0; seconds++) await clock.advance(1000);
  expect(stored.size).toBe(0);
  expect([...again].toSorted((a, b) => a - b)).toEqual(numbers(1, count - 20));
  // Each pod sees it, takes it, and sees those for which it has no room again for each round: not all of them at each look.
  expect(asked.messages).toBeLessThan(count * 2 * 4);
  for (const each of pods) each.close();
});
