// The broker NATS JetStream: what every broker promises, and what is its own, with a real server that is killed. Skipped, and said so,
// where none is installed.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { SystemClock, SystemRandom, silentLogger } from "@wherry/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrokerServer, missingServer, startNats } from "../../testing/broker-servers.ts";
import { natsFinishedMax } from "../../limits.ts";
import { describeBroker, inbox, json, valueOf } from "../broker.suite.ts";
import { killingItLosesNothing } from "../killed.suite.ts";
import { traceGoesThrough } from "../traced.suite.ts";
import type { Broker } from "../types.ts";
import { openNatsBroker } from "./broker.ts";
import { Finished } from "./finished.ts";
import { goneIn } from "./gone.ts";
import { consumerName, workStream, workSubject } from "./names.ts";

const common = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger, dedupeWindowMs: 60_000 };
const missing = missingServer("nats-server", "nats-server");

async function managing(servers: string): Promise<{ manager: JetStreamManager; close: () => Promise<void> }> {
  const connection = await connect({ servers });
  return { manager: await jetstreamManager(connection), close: () => connection.close() };
}

describe.skipIf(missing !== undefined)("NATS", () => {
  let server: BrokerServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server.stop());
  const open = async (): Promise<Broker> => openNatsBroker(server.url, common);

  describeBroker("the broker NATS JetStream", async () => ({ open, cleanUp: async () => undefined }));

  test("a server that is killed and comes back keeps what it confirmed, and its consumers go on", async () => {
    const broker = await open();
    await broker.publish("orders.restart", { ...json("before"), key: "k" });
    await server.restart("SIGKILL");
    const { at } = await inbox(broker, "orders.restart");
    const got = await at(0);
    expect(valueOf(got)).toBe("before");
    expect(await got.ack()).toBe(true);
    await server.restart("SIGKILL");
    await expect
      .poll(
        () =>
          broker.publish("orders.restart", json("after")).then(
            () => true,
            () => false,
          ),
        { timeout: 40_000 },
      )
      .toBe(true);
    expect(valueOf(await at(1))).toBe("after");
    await broker.close();
  });

  /** Messages that the server itself has of a queue. */
  const held = async (queue: string): Promise<number> => {
    const { manager, close } = await managing(server.url);
    const { state } = await manager.streams.info(workStream(queue));
    await close();
    return state.messages;
  };

  killingItLosesNothing(() => server, held);

  test("what is acknowledged while the server is killed is gone when it is back", async () => {
    const broker = await open();
    for (const value of ["first", "second", "third"]) await broker.publish("orders.acks", json(value));
    const { all, at, consumer } = await inbox(broker, "orders.acks", 3, (delivery) => {
      // Should the server have forgotten that it delivered one, it comes again.
      if (delivery.count > 1 || all.length > 3) void delivery.ack();
    });
    await at(2);
    const restarted = server.restart("SIGKILL");
    const acks = all.slice(0, 3).map((delivery) => delivery.ack());
    await restarted;
    // Within the time that the server waits for them: made again, they are heard before it delivers anything twice.
    expect(await Promise.all(acks)).toEqual([true, true, true]);
    await expect.poll(() => held("orders.acks")).toBe(0);
    await expect.poll(() => broker.depth("orders.acks")).toEqual({ ready: 0, inFlight: 0, dead: 0 });
    await consumer.stop();
    await broker.close();
  });

  test("what the server has again though it was acknowledged is deleted, and nothing else", async () => {
    // A stream that keeps what was acknowledged stands for a server that has it again.
    const { manager, close } = await managing(server.url);
    const queue = "orders.kept";
    await manager.streams.add({ name: workStream(queue), subjects: [workSubject(queue)], storage: "file" });
    await close();
    const broker = await open();
    for (const value of ["done", "done too", "out", "done after"]) await broker.publish(queue, json(value));
    const { all, at } = await inbox(broker, queue, 4);
    await at(3);
    for (const index of [0, 1, 3]) expect(await all[index]!.ack()).toBe(true);
    expect(await held(queue)).toBe(4);
    await server.restart("SIGTERM");
    await expect.poll(() => held(queue)).toBe(2);
    // "done after" waits for what is before it.
    expect(await all[2]!.ack()).toBe(true);
    await expect.poll(() => held(queue)).toBe(0);
    expect(all).toHaveLength(4);
    await broker.close();
  });

  test("what the server waits for though it is deleted is not waited for, however much, while one message is held", async () => {
    const broker = await open();
    const queue = "orders.gone";
    const count = 1500;
    await Promise.all(Array.from({ length: count }, (_, index) => broker.publish(queue, json(index))));
    const { all, at } = await inbox(broker, queue, count);
    await at(count - 1);
    const [first, ...others] = all.toSorted((a, b) => Number(a.id) - Number(b.id));
    const last = others.pop()!;
    // The consumer's state is of a moment before the others were acknowledged; the stream's is of one after that.
    const file = join("jetstream", "$G", "streams", workStream(queue), "obs", consumerName, "o.dat");
    let older = Buffer.alloc(0);
    await server.restart("SIGTERM", (folder) => (older = readFileSync(join(folder, file))));
    await Promise.all(others.map(async (delivery) => expect(await delivery.ack()).toBe(true)));
    await server.restart("SIGTERM", (folder) => writeFileSync(join(folder, file), older));
    const observer = await open();
    await expect.poll(() => observer.depth(queue)).toEqual({ ready: 0, inFlight: 2, dead: 0 });
    for (const delivery of [first!, last]) expect(await delivery.ack()).toBe(true);
    await expect.poll(() => observer.depth(queue)).toEqual({ ready: 0, inFlight: 0, dead: 0 });
    expect(await held(queue)).toBe(0);
    // A machine that stands still for long may see the other two again: the server's clock goes on.
    const ids = new Set(others.map(({ id }) => id));
    expect(all.filter(({ id }) => ids.has(id))).toHaveLength(others.length);
    await Promise.all([broker.close(), observer.close()]);
  });

  traceGoesThrough(() => server.url);

  test("a message larger than the server takes is refused, and says so", async () => {
    const broker = await open();
    const big = broker.publish("orders.big", json(Buffer.alloc(2_000_000)));
    await expect(big).rejects.toMatchObject({ code: "BROKER_REFUSED", message: expect.stringContaining("payload") });
    await broker.close();
  });
});

test("a NATS server that is away is an error that says so", async () => {
  const broker = openNatsBroker("nats://127.0.0.1:1", common);
  await expect(broker.publish("a.b", json(1))).rejects.toMatchObject({
    code: "BROKER_UNAVAILABLE",
    message: expect.stringContaining("127.0.0.1:1"),
  });
  const consumer = await broker.consume("a.b", { prefetch: 1, deliver: () => undefined });
  await consumer.stop();
  await broker.close();
});

test("of a stream, what was delivered and is not there any more is gone; what is to come is not", () => {
  const sequences = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.nat(60), fc.nat(60), sequences, (floor, more, present) => {
      const all = new Set(present);
      const [first, last] = [Math.min(...present), Math.max(...present)];
      const numbers = Array.from({ length: last }, (_, index) => index + 1);
      const deleted = numbers.filter((seq) => seq >= first && !all.has(seq));
      const gone = [...goneIn(floor, floor + more, { first_seq: first, last_seq: last, deleted })];
      expect(gone).toEqual(numbers.filter((seq) => seq > floor && seq <= floor + more && !all.has(seq)));
    }),
  );
});

test("a process remembers what it finished, the latest, by sequence and time", () => {
  const finished = new Finished();
  for (let seq = 1; seq <= natsFinishedMax + 1; seq++) finished.add(seq, seq * 10);
  expect([finished.has(1, 10), finished.has(2, 20), finished.has(2, 21)]).toEqual([false, true, false]);
  finished.add(2, 21);
  expect([finished.has(2, 20), finished.has(2, 21)]).toEqual([false, true]);
});
