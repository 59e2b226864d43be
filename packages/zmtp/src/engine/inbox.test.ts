// What peers have sent is read once and fairly, and who floods a slow reader is held back alone.
import "../leftovers.suite.ts";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Message } from "../types.ts";
import { Inbox } from "./inbox.ts";
import type { Link } from "./link.ts";
import { Unread } from "./unread.ts";

const unlimited = {
  receiveQueueMessagesMax: 1e9,
  receiveQueueBytesMax: 1e9,
  peerReceiveQueueMessagesMax: 1e9,
  peerReceiveQueueBytesMax: 1e9,
};

class FakeLink {
  readonly inbox = new Unread();
  paused = false;
  readonly id: number;
  constructor(id: number) {
    this.id = id;
  }
  pause(): void {
    this.paused = true;
  }
  unpause(): void {
    this.paused = false;
  }
}

function fakeLink(name: number): Link & FakeLink {
  return new FakeLink(name) as unknown as Link & FakeLink;
}

/** From peer and number to a message, and back. */
const message = (peer: number, n: number): Message => [Buffer.from(`${peer} ${n}`)];
const parsed = ([frame]: Message): [number, number] => String(frame).split(" ").map(Number) as [number, number];

describe("what peers sent", () => {
  it("is read once, in each peer's order, and no peer waits for more than one message of each other", async () => {
    const arrival = fc.record({ peer: fc.nat(3), count: fc.integer({ min: 1, max: 5 }), reads: fc.nat(6) });
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { maxLength: 30 }), async (arrivals) => {
        const inbox = new Inbox(unlimited, undefined, () => undefined);
        const links = [0, 1, 2, 3].map(fakeLink);
        const sent = [0, 0, 0, 0];
        const got = [0, 0, 0, 0];
        /** How many messages of others were read while this peer had one waiting. */
        const waited = [0, 0, 0, 0];
        const read = async (): Promise<void> => {
          const [peer, n] = parsed(await inbox.receive());
          expect(n).toBe(got[peer]);
          got[peer] = n + 1;
          for (const each of [0, 1, 2, 3]) {
            const hasMore = (sent[each] ?? 0) > (got[each] ?? 0);
            waited[each] = each === peer || !hasMore ? 0 : (waited[each] ?? 0) + 1;
            expect(waited[each]).toBeLessThanOrEqual(3);
          }
        };
        for (const { peer, count, reads } of arrivals) {
          const from = sent[peer] ?? 0;
          sent[peer] = from + count;
          inbox.push(
            links[peer] as Link,
            Array.from({ length: count }, (_, n) => message(peer, from + n)),
          );
          const waiting = sent.reduce((sum, n) => sum + n, 0) - got.reduce((sum, n) => sum + n, 0);
          for (let n = 0; n < Math.min(reads, waiting); n++) await read();
        }
        const rest = inbox.takeAll();
        for (const each of rest) {
          const [peer, n] = parsed(each);
          expect(n).toBe(got[peer]);
          got[peer] = n + 1;
        }
        expect(got).toEqual(sent);
      }),
    );
  });

  it("is given to whoever waits, in the order of their waiting, and not to one who has given up", async () => {
    const inbox = new Inbox(unlimited, undefined, () => undefined);
    const abort = new AbortController();
    const [first, second, third] = [inbox.receive(), inbox.receive(abort.signal), inbox.receive()];
    const refused = expect(second).rejects.toThrow("enough");
    abort.abort(new Error("enough"));
    inbox.push(fakeLink(0), [message(0, 0), message(0, 1), message(0, 2)]);
    await refused;
    expect([parsed(await first), parsed(await third)]).toEqual([
      [0, 0],
      [0, 1],
    ]);
    expect(inbox.takeAll().map(parsed)).toEqual([[0, 2]]);
  });
});

describe("a peer that floods a slow reader", () => {
  it("is held back alone, and holds no more than its share; what the quiet ones send waits for one message of each other", async () => {
    const share = 8;
    const chunkMax = 5;
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ do: fc.constant("flood"), count: fc.integer({ min: 1, max: chunkMax }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("quiet"), count: fc.integer({ min: 1, max: 3 }) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("read"), count: fc.integer({ min: 1, max: 6 }) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), fc.boolean(), async (steps, inBytes) => {
        const messageBytes = message(0, 0)[0]?.length ?? 0;
        const limit = inBytes
          ? { peerReceiveQueueBytesMax: share * messageBytes }
          : { peerReceiveQueueMessagesMax: share };
        const inbox = new Inbox({ ...unlimited, ...limit }, undefined, () => undefined);
        const [flood, ...quiet] = [0, 1, 2, 3].map(fakeLink) as [FakeLink & Link, ...(FakeLink & Link)[]];
        /** By quiet peer: messages of others that were read since its one message arrived; undefined: none waits. */
        const waited: (number | undefined)[] = [];
        let waiting = 0;
        for (const { do: what, count } of steps) {
          // As with TCP: who is paused sends nothing, and what one read brings comes as a whole.
          if (what === "flood" && !flood.paused) {
            inbox.push(
              flood,
              Array.from({ length: count }, () => message(0, 0)),
            );
            waiting += count;
          }
          if (what === "quiet" && waited[count] === undefined) {
            inbox.push(quiet[count - 1] as Link, [message(count, 0)]);
            waited[count] = 0;
            waiting++;
          }
          for (let n = 0; what === "read" && n < count && waiting > 0; n++, waiting--) {
            const [peer] = parsed(await inbox.receive());
            for (const [each, others] of waited.entries())
              if (others !== undefined) waited[each] = each === peer ? undefined : others + 1;
          }
          expect(flood.inbox.size).toBeLessThan(share + chunkMax);
          expect(flood.paused).toBe(flood.inbox.full);
          // Resumed at half of its share at the latest, so that it never waits for nothing.
          if (flood.inbox.size * 2 <= share) expect(flood.paused).toBe(false);
          expect(quiet.some(({ paused }) => paused)).toBe(false);
          for (const others of waited) expect(others ?? 0).toBeLessThanOrEqual(3);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("goes on only when both its share and the whole queue have room", async () => {
    const limits = { ...unlimited, receiveQueueMessagesMax: 10, peerReceiveQueueMessagesMax: 4 };
    const links = [0, 1, 2].map(fakeLink) as [FakeLink & Link, FakeLink & Link, FakeLink & Link];
    // As the hub does.
    const inbox = new Inbox(limits, undefined, (paused) => {
      for (const link of links)
        if (paused) link.pause();
        else if (!link.inbox.full) link.unpause();
    });
    const pausedOf = (): boolean[] => links.map(({ paused }) => paused);
    inbox.push(
      links[0],
      [0, 1, 2, 3].map((n) => message(0, n)),
    );
    expect(pausedOf()).toEqual([true, false, false]);
    inbox.push(
      links[1],
      [0, 1, 2].map((n) => message(1, n)),
    );
    inbox.push(
      links[2],
      [0, 1, 2].map((n) => message(2, n)),
    );
    expect(pausedOf()).toEqual([true, true, true]);
    // Half of the whole queue is read; the first has two left of its four, and may go on with the others.
    for (let n = 0; n < 5; n++) await inbox.receive();
    expect(pausedOf()).toEqual([false, false, false]);
    expect(links.map(({ inbox: unread }) => unread.size)).toEqual([2, 1, 2]);
  });

  it("is not remembered: what a reader that is always behind has read is let go of", async () => {
    // It was once kept for as long as one more message was waiting, so for ever.
    const inbox = new Inbox(unlimited, undefined, () => undefined);
    const link = fakeLink(0);
    const read: WeakRef<Message>[] = [];
    inbox.push(link, [message(0, 0)]);
    for (let n = 1; n <= 1_000; n++) {
      inbox.push(link, [message(0, n)]);
      read.push(new WeakRef(await inbox.receive()));
    }
    setFlagsFromString("--expose_gc");
    const collect = runInNewContext("gc") as () => void;
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(link.inbox.size).toBe(1);
    expect(read.filter((reference) => reference.deref() !== undefined).length).toBeLessThan(10);
  });
});
