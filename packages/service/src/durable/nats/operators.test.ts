// What befalls a queue's pods when somebody takes away what they use of a running NATS server: its consumer, its stream, their rights. Each
// time nothing is lost that was not deleted, the log has one line of it, and calls are run again without anybody's help. Skipped, and
// said so, where no server is installed.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { type Logger, SystemClock, SystemRandom, silentLogger } from "@wherry/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrokerServer, missingServer, natsConfigFile, startNats } from "../../testing/broker-servers.ts";
import { inbox, json, valueOf } from "../broker.suite.ts";
import type { Broker } from "../types.ts";
import { openNatsBroker } from "./broker.ts";
import { consumerName, workStream } from "./names.ts";

const missing = missingServer("nats-server", "nats-server");

/** Everybody may do everything, but a user whose password is changed, or who may use nothing of JetStream. */
const configOf = (password: string): string => `authorization { users = [
  { user: operator, password: operator }
  { user: pod, password: ${password} }
  { user: stranger, password: stranger, permissions: { publish: "nothing", subscribe: ">" } }
] }`;

describe.skipIf(missing !== undefined)("NATS", () => {
  let server: BrokerServer;
  let operator: { readonly manager: JetStreamManager; readonly close: () => Promise<void> };
  beforeAll(async () => {
    server = await startNats(configOf("right"));
    const connection = await connect({ servers: server.url, user: "operator", pass: "operator" });
    operator = { manager: await jetstreamManager(connection), close: () => connection.close() };
  });
  afterAll(async () => {
    await operator.close();
    await server.stop();
  });

  const urlOf = (user: string): string => server.url.replace("://", `://${user}@`);
  /** Of a pod, with the lines of its log that people see. */
  function opened(user = "pod:right"): { broker: Broker; lines: string[] } {
    const lines: string[] = [];
    const line = (_fields: object, text?: string): void => void lines.push(text ?? "");
    const log: Logger = { ...silentLogger, info: line, warn: line, error: line };
    const common = { clock: new SystemClock(), random: new SystemRandom(), dedupeWindowMs: 60_000 };
    return { broker: openNatsBroker(urlOf(user), { ...common, log }), lines };
  }

  test("a consumer that is deleted is made again; what was done is not run again, and what was not is", async () => {
    const { broker, lines } = opened();
    const queue = "orders.consumer";
    for (const value of ["runs", "waits"]) await broker.publish(queue, json(value));
    const { all, at } = await inbox(broker, queue);
    const running = await at(0);
    await operator.manager.consumers.delete(workStream(queue), consumerName);
    await broker.publish(queue, json("later"));
    // Nobody takes its acknowledgement, and it is done all the same.
    expect(await running.ack()).toBe(true);
    const next = await at(1);
    await operator.manager.consumers.delete(workStream(queue), consumerName);
    // It has no time to fail in: it comes again as it is.
    expect(await next.retry(0)).toBe(false);
    for (const index of [2, 3]) expect(await (await at(index)).ack()).toBe(true);
    expect(all.map(valueOf)).toEqual(["runs", "waits", "waits", "later"]);
    expect(await broker.depth(queue)).toEqual({ ready: 0, inFlight: 0, dead: 0 });
    const line = expect.stringMatching(/no consumer of a queue any more/);
    expect(lines).toEqual([line, line]);
    await broker.close();
  });

  test("a stream that is deleted is made again, and takes calls", async () => {
    const { broker, lines } = opened();
    const queue = "orders.stream";
    const { at } = await inbox(broker, queue);
    await broker.publish(queue, json("before"));
    expect(await (await at(0)).ack()).toBe(true);
    await operator.manager.streams.delete(workStream(queue));
    await expect.poll(() => lines).toEqual([expect.stringMatching(/no consumer of a queue any more/)]);
    const stored = (): Promise<boolean> =>
      broker.publish(queue, { ...json("after"), key: "k" }).then(
        () => true,
        () => false,
      );
    await expect.poll(stored).toBe(true);
    const next = await at(1);
    expect(valueOf(next)).toBe("after");
    await next.ack();
    expect(lines).toHaveLength(1);
    await broker.close();
  });

  test("a user whose password is changed, and changed back, goes on where it was", async () => {
    const { broker, lines } = opened();
    const queue = "orders.revoked";
    for (const value of ["runs", "waits"]) await broker.publish(queue, json(value));
    const { at } = await inbox(broker, queue);
    const running = await at(0);
    const change = (password: string) => (folder: string) =>
      writeFileSync(join(folder, natsConfigFile), configOf(password));
    await server.restart("SIGTERM", change("other"));
    const refused = openNatsBroker(urlOf("pod:right"), {
      ...{ clock: new SystemClock(), random: new SystemRandom(), log: silentLogger, dedupeWindowMs: 60_000 },
    });
    await expect(refused.publish(queue, json("no"))).rejects.toMatchObject({
      code: "BROKER_UNAVAILABLE",
      message: expect.stringMatching(/refused the URL's user/),
    });
    await refused.close();
    await server.restart("SIGTERM", change("right"));
    expect(await running.ack()).toBe(true);
    const next = await at(1);
    expect(valueOf(next)).toBe("waits");
    expect(await next.ack()).toBe(true);
    expect(lines).toEqual([expect.stringMatching(/while the broker is away/), expect.stringMatching(/is back/)]);
    await broker.close();
  });

  test("a user without rights is told so", async () => {
    const { broker } = opened("stranger:stranger");
    await expect(broker.publish("orders.rights", json(1))).rejects.toMatchObject({
      code: "BROKER_REFUSED",
      message: expect.stringMatching(/permission/i),
    });
    await broker.close();
  });
});
