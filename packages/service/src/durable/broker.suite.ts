// What every broker must do, in terms of types.ts. Run against each adapter, with its real server where there is one.
import { WherryError } from "@wherry/core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { contentType } from "../protocol/codes.ts";
import { decodeContent, encodeContent } from "../protocol/content.ts";
import type { Broker, BrokerConsumer, Delivery } from "./types.ts";

export interface BrokerFixture {
  /** Another connection to the same broker, as another process would have. */
  open(): Promise<Broker>;
  cleanUp(): Promise<void>;
}

/** What an adapter cannot do, and why. */
export interface BrokerSkips {
  /** `publish` cannot tell a duplicate. */
  readonly duplicateReceipt?: string;
  /** `depth` doesn't tell what is out. */
  readonly inFlightDepth?: string;
  /** The order of a whole queue. */
  readonly orderOfAll?: string;
  /** More than one delivery of a queue at a time to one consumer. */
  readonly prefetchBeyondOne?: string;
}

/** A consumer that keeps what it gets. */
export interface Inbox {
  readonly all: Delivery[];
  readonly consumer: BrokerConsumer;
  /** The delivery with this index, once it is there. */
  readonly at: (index: number) => Promise<Delivery>;
}

export async function inbox(
  broker: Broker,
  queue: string,
  prefetch = 1,
  also?: (delivery: Delivery) => void,
): Promise<Inbox> {
  const all: Delivery[] = [];
  const consumer = await broker.consume(queue, {
    prefetch,
    deliver: (delivery) => {
      all.push(delivery);
      also?.(delivery);
    },
  });
  const at = async (index: number): Promise<Delivery> => {
    await expect.poll(() => all.length, { interval: 5 }).toBeGreaterThan(index);
    return all[index]!;
  };
  return { all, consumer, at };
}

export const json = (value: unknown): { content: 0 | 1 | 2 | 3; body: Uint8Array | undefined } => encodeContent(value);
export const valueOf = ({ content, body }: Delivery): unknown => decodeContent(content, body);

export function describeBroker(name: string, make: () => Promise<BrokerFixture>, skips: BrokerSkips = {}): void {
  describe(name, () => {
    let fixture: BrokerFixture;
    let open: Broker[] = [];
    let queues = 0;
    const broker = async (): Promise<Broker> => {
      const opened = await fixture.open();
      open.push(opened);
      return opened;
    };
    const queue = (): string => `suite.q${process.pid}-${++queues}`;
    beforeAll(async () => {
      fixture = await make();
    });
    afterEach(async () => {
      await Promise.all(open.map((opened) => opened.close()));
      open = [];
    });
    afterAll(() => fixture.cleanUp());

    test("a message that was published while nobody consumes is delivered, once, to who comes later", async () => {
      const q = queue();
      const publisher = await broker();
      const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
      const { id, duplicate } = await publisher.publish(q, { ...json({ item: "boat" }), key: "order-7", trace });
      expect({ id: id === "", duplicate }).toEqual({ id: false, duplicate: false });
      await publisher.close();
      const first = await broker();
      const got = await (await inbox(first, q)).at(0);
      expect({ ...got, value: valueOf(got) }).toMatchObject({
        key: "order-7",
        trace,
        count: 1,
        value: { item: "boat" },
      });
      expect(Math.abs(got.publishedMs - Date.now())).toBeLessThan(3_600_000);
      expect(await got.ack()).toBe(true);
      await first.close();
      const second = await broker();
      expect((await second.depth(q)).ready).toBe(0);
      const later = await inbox(second, q);
      await second.publish(q, json("next"));
      expect(valueOf(await later.at(0))).toBe("next");
      await later.all[0]!.ack();
    });

    test.each([
      ["JSON", { deep: [1, "ä"] }],
      ["bytes", Buffer.from([0, 255, 10])],
      ["nothing", undefined],
      ["an empty buffer", Buffer.alloc(0)],
      ["a megabyte", Buffer.alloc(1_000_000, 7)],
    ])("a body of %s comes as it went", async (_what, value) => {
      const one = await broker();
      const q = queue();
      await one.publish(q, json(value));
      const got = await (await inbox(one, q)).at(0);
      const { content, body } = json(value);
      expect(got.content).toBe(content);
      if (content !== contentType.none) expect(Buffer.compare(Buffer.from(got.body!), Buffer.from(body!))).toBe(0);
      expect([got.key, got.trace]).toEqual([undefined, undefined]);
      await got.ack();
    });

    test("a body of a codec says whose, and a trace its state; after a pause and as a dead letter, too", async () => {
      const one = await broker();
      const q = queue();
      const body = Buffer.from([0xc3]);
      const state = { content: contentType.coded, codec: "msgpack-1", traceState: "vendor=1,other=ä" } as const;
      await one.publish(q, { ...state, body });
      const { at } = await inbox(one, q);
      const got = await at(0);
      expect(got).toMatchObject(state);
      expect([...got.body!]).toEqual([...body]);
      await got.retry(1);
      expect(await at(1)).toMatchObject(state);
      await (await at(1)).deadLetter({ code: "INVALID", message: "no" });
      await expect.poll(() => one.depth(q)).toMatchObject({ dead: 1 });
      expect((await one.deadLetters(q, 1))[0]).toMatchObject({ content: contentType.coded, codec: "msgpack-1" });
      await one.redrive(q, "all");
      const again = await at(2);
      expect(again).toMatchObject({ ...state, count: 1 });
      await again.ack();
    });

    test("one consumer gets one at a time, in order", async ({ skip }) => {
      if (skips.orderOfAll !== undefined) skip(skips.orderOfAll);
      const one = await broker();
      const q = queue();
      for (let index = 0; index < 20; index++) await one.publish(q, json(index));
      const seen: unknown[] = [];
      let out = 0;
      await inbox(one, q, 1, (delivery) => {
        expect(++out).toBe(1);
        seen.push(valueOf(delivery));
        setImmediate(() => {
          out--;
          void delivery.ack();
        });
      });
      await expect.poll(() => seen).toEqual(Array.from({ length: 20 }, (_, index) => index));
    });

    test("two consumers share a queue; each message goes to one of them", async () => {
      const [one, two] = [await broker(), await broker()];
      const q = queue();
      const seen: unknown[] = [];
      const take = (delivery: Delivery): void => {
        seen.push(valueOf(delivery));
        void delivery.ack();
      };
      await Promise.all([inbox(one, q, 4, take), inbox(two, q, 4, take)]);
      await Promise.all(Array.from({ length: 100 }, (_, index) => one.publish(q, json(index))));
      await expect.poll(() => seen.length).toBe(100);
      expect(new Set(seen).size).toBe(100);
      await expect.poll(async () => (await two.depth(q)).ready).toBe(0);
    });

    test("no more are out than the prefetch says", async ({ skip }) => {
      if (skips.prefetchBeyondOne !== undefined) skip(skips.prefetchBeyondOne);
      const one = await broker();
      const q = queue();
      for (let index = 0; index < 6; index++) await one.publish(q, json(index));
      const { all, at } = await inbox(one, q, 3);
      await at(2);
      // A message of another queue has come meanwhile: so would have a fourth of this one.
      const other = queue();
      await one.publish(other, json("other"));
      await (await (await inbox(one, other)).at(0)).ack();
      expect(all.length).toBe(3);
      await all[0]!.ack();
      await at(3);
      expect(all.length).toBe(4);
      for (const delivery of all.slice(1)) await delivery.ack();
      for (const index of [4, 5]) await (await at(index)).ack();
    });

    test("one that failed comes again, after its pause, with a higher count", async () => {
      const one = await broker();
      const q = queue();
      await one.publish(q, { ...json("again"), key: "k", trace: "t" });
      const { at } = await inbox(one, q);
      const startMs = performance.now();
      expect(await (await at(0)).retry(300)).toBe(true);
      const second = await at(1);
      // Timers of servers and of this process may differ by a tick.
      expect(performance.now() - startMs).toBeGreaterThan(250);
      expect({ ...second, value: valueOf(second) }).toMatchObject({ count: 2, key: "k", trace: "t", value: "again" });
      await second.retry(0);
      const third = await at(2);
      expect(third.count).toBe(3);
      expect(third.publishedMs).toBe(second.publishedMs);
      await third.ack();
    });

    test("a pause holds up nobody else", async () => {
      const one = await broker();
      const q = queue();
      await one.publish(q, json("slow"));
      const { at } = await inbox(one, q);
      await (await at(0)).retry(60_000);
      await one.publish(q, json("quick"));
      const next = await at(1);
      expect(valueOf(next)).toBe("quick");
      await next.ack();
    });

    test("one that is handed back goes elsewhere at once", async () => {
      const [one, two] = [await broker(), await broker()];
      const q = queue();
      await one.publish(q, json("work"));
      const first = await inbox(one, q);
      const got = await first.at(0);
      await first.consumer.stop();
      expect(await got.release()).toBe(true);
      const again = await (await inbox(two, q)).at(0);
      expect(valueOf(again)).toBe("work");
      await again.ack();
    });

    test("being handed back does not count, however often: a message once died of pods that rolled", async () => {
      const one = await broker();
      const q = queue();
      await one.publish(q, { ...json("work"), key: "k", trace: "t" });
      const { at } = await inbox(one, q);
      for (let index = 0; index < 3; index++) expect(await (await at(index)).release()).toBe(true);
      await (await at(3)).retry(0);
      await (await at(4)).release();
      const again = await at(5);
      expect({ ...again, value: valueOf(again) }).toMatchObject({ count: 2, key: "k", trace: "t", value: "work" });
      await again.ack();
      await expect.poll(() => one.depth(q)).toMatchObject({ ready: 0, dead: 0 });
    });

    test("what runs when a consumer stops can still be acknowledged, and nothing new comes", async () => {
      const one = await broker();
      const q = queue();
      await one.publish(q, json("runs"));
      const { consumer, all, at } = await inbox(one, q);
      const running = await at(0);
      await consumer.stop();
      await one.publish(q, json("later"));
      expect(await running.ack()).toBe(true);
      const two = await broker();
      const next = await (await inbox(two, q)).at(0);
      expect(valueOf(next)).toBe("later");
      expect(all.length).toBe(1);
      await next.ack();
    });

    test("closing waits for what is out", async () => {
      const one = await broker();
      const q = queue();
      await one.publish(q, json("runs"));
      const running = await (await inbox(one, q)).at(0);
      const closed = one.close(20_000);
      setImmediate(() => void running.ack());
      await closed;
      const two = await broker();
      expect(await two.depth(q)).toMatchObject({ ready: 0 });
    });

    test("what is not settled when a broker closes is delivered elsewhere, counted", async () => {
      const one = await broker();
      const q = queue();
      await one.publish(q, json("left"));
      const left = await (await inbox(one, q)).at(0);
      await one.close();
      const again = await (await inbox(await broker(), q)).at(0);
      expect({ value: valueOf(again), counted: again.count > left.count }).toEqual({ value: "left", counted: true });
      expect(await left.ack()).toBe(false);
      await again.ack();
    });

    test("two with the same key are one, whoever publishes them; those without are many", async () => {
      const [one, two] = [await broker(), await broker()];
      const q = queue();
      await one.publish(q, { ...json("first"), key: "same" });
      const second = await two.publish(q, { ...json("second"), key: "same" });
      if (skips.duplicateReceipt === undefined) expect(second.duplicate).toBe(true);
      const [third] = await Promise.all([
        one.publish(q, { ...json("third"), key: "other" }),
        one.publish(q, json("a")),
        one.publish(q, json("a")),
      ]);
      expect(third.duplicate).toBe(false);
      const seen: unknown[] = [];
      await inbox(two, q, 1, (delivery) => {
        seen.push(valueOf(delivery));
        void delivery.ack();
      });
      await expect.poll(() => seen.toSorted()).toEqual(["a", "a", "first", "third"]);
      // Also when the first is long done.
      await one.publish(q, { ...json("late"), key: "same" });
      await one.publish(q, json("end"));
      await expect.poll(() => seen.at(-1)).toBe("end");
      expect(seen.length).toBe(5);
    });

    test("many at once with the same key are one", async ({ skip }) => {
      if (skips.duplicateReceipt !== undefined) skip(skips.duplicateReceipt);
      const brokers = [await broker(), await broker()];
      const q = queue();
      const receipts = await Promise.all(
        Array.from({ length: 10 }, (_, index) => brokers[index % 2]!.publish(q, { ...json(index), key: "same" })),
      );
      expect(receipts.filter(({ duplicate }) => !duplicate).length).toBe(1);
      expect((await brokers[0]!.depth(q)).ready).toBe(1);
    });

    test("a key of another queue is another key", async () => {
      const one = await broker();
      expect((await one.publish(queue(), { ...json(1), key: "k" })).duplicate).toBe(false);
      expect((await one.publish(queue(), { ...json(1), key: "k" })).duplicate).toBe(false);
    });

    test("a dead letter is kept with its reason, until it is driven back or purged", async () => {
      const one = await broker();
      const q = queue();
      for (const value of ["bad", "worse", "worst"]) await one.publish(q, { ...json(value), key: value });
      const { at } = await inbox(one, q);
      for (const index of [0, 1, 2]) {
        const got = await at(index);
        expect(await got.deadLetter({ code: "INVALID", message: `no. ${index}: "ä"\nb` })).toBe(true);
      }
      await expect.poll(() => one.depth(q)).toMatchObject({ ready: 0, dead: 3 });
      const letters = await one.deadLetters(q, 10);
      expect(letters.map(({ key, reason, count }) => ({ key, reason, count }))).toEqual(
        ["bad", "worse", "worst"].map((key, index) => ({
          key,
          reason: { code: "INVALID", message: `no. ${index}: "ä"\nb` },
          count: 1,
        })),
      );
      expect((await one.deadLetters(q, 2)).length).toBe(2);
      const [bad, worse] = letters;
      expect(await one.purge(q, [bad!.id])).toBe(1);
      expect(await one.redrive(q, [worse!.id, "no-such-id"])).toBe(1);
      const again = await at(3);
      expect({ ...again, value: valueOf(again) }).toMatchObject({ key: "worse", value: "worse", count: 1 });
      await again.ack();
      expect((await one.deadLetters(q, 10)).map(({ key }) => key)).toEqual(["worst"]);
      expect(await one.redrive(q, "all")).toBe(1);
      await (await at(4)).deadLetter({ code: "INVALID", message: "still" });
      await expect
        .poll(async () => (await one.deadLetters(q, 10)).map(({ reason }) => reason.message))
        .toEqual(["still"]);
      expect(await one.purge(q, "all")).toBe(1);
      expect(await one.depth(q)).toMatchObject({ ready: 0, dead: 0 });
    });

    test("whether there is a queue is told without making it", async () => {
      const one = await broker();
      const q = queue();
      expect(await one.hasQueue(q)).not.toBe(true);
      expect(await one.hasQueue(q)).not.toBe(true);
      await one.publish(q, json(1));
      await expect.poll(() => one.hasQueue(q)).toBe(true);
    });

    test("an unknown queue is empty", async () => {
      const one = await broker();
      const q = queue();
      expect(await one.depth(q)).toMatchObject({ ready: 0, dead: 0 });
      expect(await one.deadLetters(q, 10)).toEqual([]);
      expect(await one.redrive(q, "all")).toBe(0);
    });

    test("the depth tells what waits and what is out", async () => {
      const one = await broker();
      const q = queue();
      for (let index = 0; index < 3; index++) await one.publish(q, json(index));
      await expect.poll(() => one.depth(q)).toMatchObject({ ready: 3, dead: 0 });
      const { at } = await inbox(one, q);
      await at(0);
      if (skips.inFlightDepth === undefined)
        await expect.poll(() => one.depth(q)).toEqual({ ready: 2, inFlight: 1, dead: 0 });
      for (const index of [0, 1, 2]) await (await at(index)).ack();
      await expect.poll(() => one.depth(q)).toMatchObject({ ready: 0 });
    });

    test("each publish that resolved before a close is stored; a later one is refused", async () => {
      const one = await broker();
      const q = queue();
      const outcomes = Array.from({ length: 50 }, (_, index) =>
        one.publish(q, json(index)).then(
          () => true,
          (error: unknown) => (WherryError.is(error) ? false : Promise.reject(error as Error)),
        ),
      );
      await one.close();
      const stored = (await Promise.all(outcomes)).filter(Boolean).length;
      await expect(one.publish(q, json("late"))).rejects.toMatchObject({ code: "BROKER_UNAVAILABLE" });
      await one.close();
      // Those whose confirmation did not come may be there, too.
      const two = await broker();
      await expect.poll(async () => (await two.depth(q)).ready).toBeGreaterThanOrEqual(stored);
    });
  });
}
