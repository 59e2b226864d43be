// The broker over Kafka: against the real one that WHERRY_TEST_KAFKA=host:port names, else against a double that speaks Kafka's protocol
// (testing/kafka-double). The tests are the same.
import { SystemClock, SystemRandom, silentLogger } from "@wherry/core";

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { crc32c, errorCode, Log } from "../../testing/kafka-double/log.ts";
import { Group } from "../../testing/kafka-double/group.ts";
import { KafkaDouble } from "../../testing/kafka-double/server.ts";
import { describeBroker, inbox, json, valueOf } from "../broker.suite.ts";
import { killingItLosesNothing } from "../killed.suite.ts";
import { traceGoesThrough } from "../traced.suite.ts";
import type { Broker, Delivery } from "../types.ts";
import { openKafkaBroker } from "./broker.ts";

const common = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger, dedupeWindowMs: 60_000 };
const real = process.env["WHERRY_TEST_KAFKA"];
if (real === undefined)
  process.stderr.write(
    "NOTE: no real Kafka (WHERRY_TEST_KAFKA=host:port): its tests run against a double of its protocol\n",
  );

describeBroker(
  `the broker Kafka (${real === undefined ? "a double" : "a real one"})`,
  async () => {
    const double = real === undefined ? new KafkaDouble() : undefined;
    const url = double === undefined ? `kafka://${real}` : await double.listen();
    return { open: async () => openKafkaBroker(`${url}?partitions=3`, common), cleanUp: async () => double?.close() };
  },
  {
    duplicateReceipt: "Kafka's consumers deduplicate, its producers can't",
    inFlightDepth: "Kafka tells what is not committed, be it out or not",
    prefetchBeyondOne: "Kafka hands out one message of a partition at a time, to keep their order",
    orderOfAll: "Kafka keeps the order of a partition, and a queue has several",
  },
);

describe("consumers in Kafka", () => {
  const double = real === undefined ? new KafkaDouble() : undefined;
  let url = `kafka://${real}`;
  beforeAll(async () => {
    if (double !== undefined) url = await double.listen();
  });
  afterAll(() => double?.close());
  const open = (): Broker => openKafkaBroker(`${url}?partitions=3`, common);

  test("run the messages of one key's partition in order, whoever comes and goes", async () => {
    const queue = `kafka.order-${process.pid}`;
    const brokers = [open(), open(), open()];
    const [one, two, three] = brokers;
    const keys = ["a", "b", "c", "d", "e"];
    const seen: number[] = [];
    const take = (delivery: Delivery): void => {
      const value = valueOf(delivery) as number;
      void delivery.ack().then((ours) => (ours ? seen.push(value) : undefined));
    };
    await inbox(one!, queue, 4, take);
    for (let index = 0; index < 60; index++) {
      await one!.publish(queue, { ...json(index), key: `${keys[index % 5]}${index}` });
      if (index === 20) await inbox(two!, queue, 4, take);
      if (index === 40) await inbox(three!, queue, 4, take);
      if (index === 50) await two!.close(10_000);
    }
    await expect.poll(() => seen.length).toBeGreaterThanOrEqual(60);
    // At least once: what was out while partitions moved may have run at both.
    expect([...new Set(seen)].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, index) => index));
    await Promise.all(brokers.map((broker) => broker.close()));
  });

  test.skipIf(double === undefined)(
    "go on after every connection broke",
    async () => {
      const broker = open();
      const { at } = await inbox(broker, "kafka.cut");
      await broker.publish("kafka.cut", json("before"));
      await (await at(0)).ack();
      double?.cut();
      await expect
        .poll(() =>
          broker.publish("kafka.cut", json("after")).then(
            () => true,
            () => false,
          ),
        )
        .toBe(true);
      const next = await at(1);
      expect(valueOf(next)).toBe("after");
      await expect.poll(() => next.ack()).toBe(true);
      await broker.close();
    },
    60_000,
  );

  test.skipIf(double === undefined)(
    "that die with a message leave it to another, counted",
    async () => {
      const [one, two] = [open(), open()];
      await one.publish("kafka.dead", json("x"));
      const left = await (await inbox(one, "kafka.dead")).at(0);
      // As if its machine had lost power: its session is over.
      double?.group("wherry.kafka.dead").close();
      const { all, at } = await inbox(two, "kafka.dead");
      await expect.poll(() => all.length + (left.count - 1)).toBeGreaterThan(0);
      const again = await at(0);
      expect({ value: valueOf(again), count: again.count }).toEqual({ value: "x", count: 2 });
      await again.ack();
      await Promise.all([one.close(), two.close()]);
    },
    60_000,
  );
});

describe.skipIf(real !== undefined)("a Kafka that is killed", () => {
  const double = new KafkaDouble();
  let url = "";
  beforeAll(async () => {
    url = await double.listen();
  });
  afterAll(() => double.close());
  const stop = (): Promise<void> => double.close();
  // Produces and commits whose answers are lost, and partitions that move with messages in work, are part of it.
  killingItLosesNothing(() => ({ url: `${url}?partitions=3`, restart: () => double.restart(), stop }));
});

describe("a trace in Kafka", () => {
  const double = real === undefined ? new KafkaDouble() : undefined;
  let url = `kafka://${real}`;
  beforeAll(async () => {
    if (double !== undefined) url = await double.listen();
  });
  afterAll(() => double?.close());
  traceGoesThrough(() => `${url}?partitions=3`);
});

test("a Kafka that is away is an error that says so", async () => {
  const broker = openKafkaBroker("kafka://127.0.0.1:1", common);
  await expect(broker.publish("a.b", json(1))).rejects.toMatchObject({
    code: "BROKER_UNAVAILABLE",
    message: expect.stringContaining("127.0.0.1:1"),
  });
  const consumer = await broker.consume("a.b", { prefetch: 1, deliver: () => undefined });
  await consumer.stop();
  await broker.close();
});

describe("the double refuses what Kafka refuses", () => {
  test("by Castagnoli's checksum (RFC 3720, B.4)", () => {
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  });

  test("a batch whose checksum is wrong, and one that is cut off", () => {
    const log = new Log();
    expect(log.append(Buffer.alloc(70))).toMatchObject({ error: errorCode.corruptMessage });
    expect(log.append(Buffer.alloc(10))).toMatchObject({ error: errorCode.corruptMessage });
    expect(log.end).toBe(0n);
  });

  test("a commit of a generation that is over, and of a member that it doesn't know", async () => {
    const group = new Group(common.clock);
    const ask = { sessionMs: 10_000, rebalanceMs: 10_000, protocols: [{ name: "p", metadata: Buffer.alloc(0) }] };
    const { memberId, error } = await group.join({ ...ask, memberId: "" });
    expect(error).toBe(errorCode.memberIdRequired);
    const { generation, leader } = await group.join({ ...ask, memberId });
    expect(leader).toBe(memberId);
    expect(group.mayCommit(memberId, generation)).toBe(errorCode.rebalanceInProgress);
    await group.sync(memberId, generation, new Map());
    expect(group.mayCommit(memberId, generation)).toBe(errorCode.none);
    expect(group.mayCommit(memberId, generation - 1)).toBe(errorCode.illegalGeneration);
    expect(group.mayCommit("stranger", generation)).toBe(errorCode.unknownMember);
    expect(group.mayCommit("", -1)).toBe(errorCode.unknownMember);
    group.close();
  });
});
