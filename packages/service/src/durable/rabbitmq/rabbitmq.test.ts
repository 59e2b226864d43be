// The broker RabbitMQ: what every broker promises, and what is its own, with a real server that is killed. Skipped, and said so, where
// none is installed.
import { SystemClock, SystemRandom, silentLogger } from "@wherry/core";
import { connect } from "amqplib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrokerServer, missingServer, rabbitProgram, startRabbit } from "../../testing/broker-servers.ts";
import { describeBroker, inbox, json, valueOf } from "../broker.suite.ts";
import { killingItLosesNothing } from "../killed.suite.ts";
import { traceGoesThrough } from "../traced.suite.ts";
import type { Broker, Receipt } from "../types.ts";
import { openRabbitBroker } from "./broker.ts";
import { pauseStepMs, workQueue } from "./names.ts";

const common = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger, dedupeWindowMs: 60_000 };
const missing = missingServer(rabbitProgram, "rabbitmq-server");

describe.skipIf(missing !== undefined)("RabbitMQ", () => {
  let server: BrokerServer;
  beforeAll(async () => {
    server = await startRabbit();
  });
  afterAll(() => server.stop());
  const open = async (): Promise<Broker> => openRabbitBroker(server.url, common);

  describeBroker("the broker RabbitMQ", async () => ({ open, cleanUp: async () => undefined }), {
    inFlightDepth: "AMQP tells what waits, not what is out",
  });

  test("a server that is killed and comes back keeps what it confirmed, and its consumers go on", async () => {
    const broker = await open();
    await broker.depth("orders.restart");
    // RabbitMQ 3.10 writes down that it has a quorum queue a little after it has declared it; a kill before that breaks the queue.
    await server.restart("SIGTERM");
    const publish = (): Promise<Receipt> => broker.publish("orders.restart", { ...json("before"), key: "k" });
    /** As a client does: while the server's queues are being opened again, each in its own time, it says that it could not. */
    const stored = async (): Promise<Receipt> => {
      let receipt: Receipt | undefined;
      const attempt = (): Promise<unknown> =>
        publish()
          .then((got) => (receipt = got))
          .catch(() => undefined);
      await expect.poll(attempt).toBeDefined();
      return receipt!;
    };
    const before = await stored();
    const { at } = await inbox(broker, "orders.restart");
    expect(valueOf(await at(0))).toBe("before");
    await server.restart("SIGKILL");
    const again = await at(1);
    expect(valueOf(again)).toBe("before");
    expect(await again.ack()).toBe(true);
    expect(await stored()).toEqual({ id: before.id, duplicate: true });
    await broker.publish("orders.restart", json("after"));
    expect(valueOf(await at(2))).toBe("after");
    await broker.close();
  });

  test("a queue that somebody deletes is made again, takes calls, and is one line of the log", async () => {
    const lines: string[] = [];
    const line = (_fields: object, text: string): void => void lines.push(text);
    const log = { ...silentLogger, info: line, warn: line, error: line };
    const broker = openRabbitBroker(server.url, { ...common, log });
    const queue = "orders.deleted";
    await broker.publish(queue, json("before"));
    const { at } = await inbox(broker, queue);
    const running = await at(0);
    const operator = await connect(server.url);
    await (await operator.createChannel()).deleteQueue(workQueue(queue));
    await expect.poll(() => lines).toEqual([expect.stringMatching(/has deleted a queue/)]);
    // It was deleted with the queue: nobody gets it again, and its pod is told that it was not its own any more.
    expect(await running.ack()).toBe(false);
    await expect.poll(() => broker.publish(queue, json("after")).catch(() => undefined)).toBeDefined();
    const next = await at(1);
    expect(valueOf(next)).toBe("after");
    expect(await next.ack()).toBe(true);
    expect(lines).toHaveLength(1);
    await Promise.all([broker.close(), operator.close()]);
  });

  test("a wrong password is told as that", async () => {
    const broker = openRabbitBroker(server.url.replace("guest:guest", "guest:wrong"), common);
    await expect(broker.publish("orders.refused", json(1))).rejects.toMatchObject({
      code: "BROKER_UNAVAILABLE",
      message: expect.stringMatching(/refused the URL's user.*check user and password/),
    });
    await broker.close();
  });

  traceGoesThrough(() => server.url);

  killingItLosesNothing(() => server);
});

test("a RabbitMQ server that is away is an error that says so", async () => {
  const broker = openRabbitBroker("amqp://127.0.0.1:1", common);
  await expect(broker.publish("a.b", json(1))).rejects.toMatchObject({
    code: "BROKER_UNAVAILABLE",
    message: expect.stringContaining("127.0.0.1:1"),
  });
  const consumer = await broker.consume("a.b", { prefetch: 1, deliver: () => undefined });
  await consumer.stop();
  await broker.close();
});

test("a pause is rounded up to one that has a queue", () => {
  expect([1, 100, 101, 300, 30_000, 60_000].map(pauseStepMs)).toEqual([100, 100, 200, 400, 51_200, 102_400]);
});
