// The broker NATS JetStream: what every broker promises, and what is its own, with a real server that is killed. Skipped, and said so,
// where none is installed.
import { SystemClock, SystemRandom, silentLogger } from "@wherry/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrokerServer, missingServer, startNats } from "../../testing/broker-servers.ts";
import { describeBroker, inbox, json, valueOf } from "../broker.suite.ts";
import { killingItLosesNothing } from "../killed.suite.ts";
import type { Broker } from "../types.ts";
import { openNatsBroker } from "./broker.ts";

const common = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger, dedupeWindowMs: 60_000 };
const missing = missingServer("nats-server", "nats-server");

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
  }, 60_000);

  killingItLosesNothing(() => server);

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
