// What holds for callers and handlers when a broker's server is killed under load, again and again, while pods come and go, or are
// killed: every call that was accepted takes effect, once if it has a key, none is told wrongly, and nothing is left in the queue. Run
// against each real server, and Kafka's double.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SystemRandom } from "@wherry/core";
import { SeededRandom } from "@wherry/core/testing";
import { expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { sqliteStore } from "../dedupe/sqlite-store.ts";
import { ServiceError } from "../errors.ts";
import { serve, type Serving } from "../server/serve.ts";
import type { DurableReceipt } from "../method.ts";
import { method, service } from "../define.ts";
import type { BrokerServer } from "../testing/broker-servers.ts";
import { startChild, stopChildren } from "../testing/child.ts";
import { openBroker, queueOf } from "./open.ts";

const kills = 3;
const lanes = 20;
const calls = 900;
/** `npm run soak`: what takes long and finds more the longer it runs. */
const soaking = process.env["WHERRY_SOAK"] === "1";
const podKills = 6;
const podCalls = 1200;

/** A pod whose effects are rows, each written together with its key. */
const program = `
  import { method, run, service } from "@wherry/service";
  import { sqliteStore } from "@wherry/service/dedupe";
  const dedupe = await sqliteStore(process.env.STORE);
  const work = method({
    durable: { redeliveriesMax: 50 },
    handler: (body, context) => dedupe.commit(context, (database) => {
      database.exec("CREATE TABLE IF NOT EXISTS effect (body TEXT)");
      database.prepare("INSERT INTO effect VALUES (?)").run(body);
    }),
  });
  await run(service(process.env.NAME, { dedupe, concurrency: 4, methods: { work } }));`;

/** @param held how many messages the server itself still stores for a queue, where it tells. */
export function killingItLosesNothing(server: () => BrokerServer, held?: (queue: string) => Promise<number>): void {
  test("a server that is killed under load, while pods roll, loses no call, and no keyed one takes effect twice", async () => {
    const folder = mkdtempSync(join(tmpdir(), "wherry-killed-"));
    const broker = server().url;
    const name = `killed-${process.pid}`;
    const stores = [await sqliteStore(join(folder, "keys.db")), await sqliteStore(join(folder, "keys.db"))];
    const pod = (index: number): Promise<Serving> => {
      const dedupe = stores[index]!;
      const work = method({
        durable: true,
        handler: (body: string, context) =>
          dedupe.commit(context, (database) => {
            database.exec("CREATE TABLE IF NOT EXISTS effect (body TEXT)");
            database.prepare("INSERT INTO effect VALUES (?)").run(body);
          }),
      });
      return serve(service(name, { dedupe, concurrency: 4, methods: { work } }), { broker });
    };
    const pods = await Promise.all([pod(0), pod(1)]);
    const client = connect(name, { endpoints: [], durable: ["work"], broker, deadlineMs: 60_000 });
    await client.call("work", "first", { key: "first" });
    // RabbitMQ 3.10 writes down that it has a queue a little after it has declared it; a kill before that breaks the queue.
    await server().restart("SIGTERM");
    const accepted = new Set<string>();
    const refused = new Set<string>();
    let made = 0;
    const lane = async (): Promise<void> => {
      while (made < calls) {
        const body = `${made++}`;
        const keyed = made % 4 > 0;
        try {
          const { duplicate } = (await client.call("work", body, keyed ? { key: body } : {})) as DurableReceipt;
          // One that was sent again may find itself.
          expect(duplicate && !keyed).toBe(false);
          accepted.add(body);
        } catch (error) {
          if (ServiceError.is(error) && error.fate === "not-started") refused.add(body);
          else
            expect(error).toMatchObject({
              code: expect.stringMatching(/ABORTED|UNAVAILABLE|DEADLINE/),
              fate: "maybe-executed",
            });
        }
      }
    };
    const load = Promise.all(Array.from({ length: lanes }, lane));
    for (let kill = 1; kill <= kills; kill++) {
      await expect.poll(() => made).toBeGreaterThan((calls * kill) / (kills + 1));
      const restarted = server().restart("SIGKILL");
      const index = kill % 2;
      await pods[index]!.server.drain({ timeoutMs: 10_000, minimumMs: 0 });
      await restarted;
      pods[index] = await pod(index);
    }
    await load;
    const observer = await openBroker({ url: broker });
    using effects = new DatabaseSync(join(folder, "keys.db"), { timeout: 5000 });
    const taken = (): string[] =>
      effects
        .prepare("SELECT body FROM effect")
        .all()
        .map((row) => String(row["body"]));
    // Asked once for all of them: the pods live in this process, too.
    const missing = (): string[] => {
      const there = new Set(taken());
      return [...accepted].filter((body) => !there.has(body));
    };
    await expect.poll(missing, { timeout: 300_000, interval: 250 }).toEqual([]);
    const left = async (): Promise<unknown> => {
      const { ready, inFlight = 0, dead } = await observer.depth(queueOf(name, "work"));
      return { ready, inFlight, dead, held: await held?.(queueOf(name, "work")) };
    };
    // Whatever was acknowledged is gone, though the server was killed before, while and after it heard of it.
    await expect
      .poll(left, { timeout: 300_000, interval: 250 })
      .toEqual({ ready: 0, inFlight: 0, dead: 0, held: held === undefined ? undefined : 0 });
    const bodies = taken();
    expect(bodies.filter((body) => refused.has(body))).toEqual([]);
    const keyed = bodies.filter((body) => Number(body) % 4 !== 3);
    expect(keyed.length).toBe(new Set(keyed).size);
    expect(accepted.size).toBeGreaterThan(calls / 2);
    await Promise.all([client.close(), observer.close(), ...pods.map((each) => each.server.close())]);
    for (const store of stores) store.close();
    rmSync(folder, { recursive: true });
  }, 900_000);

  const randomly =
    "pods and the server that are killed (-9) at random instants lose no call, and none takes effect twice";
  test.runIf(soaking)(
    `${randomly} (a minute for each broker: only in npm run soak)`,
    async () => {
      const seed = new SystemRandom().below(2 ** 31);
      const random = new SeededRandom(seed);
      const folder = mkdtempSync(join(tmpdir(), "wherry-killed-"));
      const [broker, name, store] = [server().url, `killed-pods-${process.pid}`, join(folder, "keys.db")];
      const env = { BROKER_URL: broker, NAME: name, STORE: store };
      const pods = [startChild({ program, env }), startChild({ program, env })];
      await Promise.all(pods.map((pod) => pod.listening));
      const client = connect(name, { endpoints: [], durable: ["work"], broker, deadlineMs: 60_000 });
      await client.call("work", "first", { key: "first" });
      await server().restart("SIGTERM");
      const accepted: string[] = [];
      let made = 0;
      const lane = async (): Promise<void> => {
        while (made < podCalls) {
          const body = `${made++}`;
          // Fails only when the server was away for longer than a call waits: then nobody was promised anything.
          await client.call("work", body, { key: body }).then(
            () => accepted.push(body),
            (error: unknown) => expect(error, `seed ${seed}`).toBeInstanceOf(ServiceError),
          );
        }
      };
      const load = Promise.all(Array.from({ length: lanes }, lane));
      for (let kill = 1; kill <= podKills; kill++) {
        const at = (podCalls * (kill - random.next())) / podKills;
        await expect.poll(() => made, { interval: 5 }).toBeGreaterThanOrEqual(at);
        const index = random.below(2);
        pods[index]!.process.kill("SIGKILL");
        if (kill % 2 === 0) await server().restart("SIGKILL");
        await pods[index]!.exit;
        pods[index] = startChild({ program, env });
      }
      await load;
      using effects = new DatabaseSync(store, { timeout: 5000 });
      const taken = (): string[] =>
        effects
          .prepare("SELECT body FROM effect")
          .all()
          .map((row) => String(row["body"]));
      const missing = (): string[] => {
        const there = new Set(taken());
        return accepted.filter((body) => !there.has(body));
      };
      await expect.poll(missing, { timeout: 120_000, interval: 250, message: `seed ${seed}` }).toEqual([]);
      const observer = await openBroker({ url: broker });
      const left = async (): Promise<unknown> => {
        const { ready, inFlight = 0, dead } = await observer.depth(queueOf(name, "work"));
        return { ready, inFlight, dead, held: (await held?.(queueOf(name, "work"))) ?? 0 };
      };
      const nothing = { ready: 0, inFlight: 0, dead: 0, held: 0 };
      await expect.poll(left, { timeout: 120_000, interval: 250, message: `seed ${seed}` }).toEqual(nothing);
      const bodies = taken();
      expect(bodies.length, `seed ${seed}`).toBe(new Set(bodies).size);
      expect(accepted.length).toBeGreaterThan(podCalls / 2);
      await Promise.all([client.close(), observer.close(), stopChildren()]);
      rmSync(folder, { recursive: true });
    },
    400_000,
  );
}
