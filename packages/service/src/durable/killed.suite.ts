// What holds for callers and handlers when a broker's server is killed under load, again and again, while pods come and go: every call
// that was accepted takes effect, once if it has a key, and none is told wrongly. Run against each real server.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { sqliteStore } from "../dedupe/sqlite-store.ts";
import { ServiceError } from "../errors.ts";
import { serve, type Serving } from "../server/serve.ts";
import type { DurableReceipt } from "../method.ts";
import { method, service } from "../define.ts";
import type { BrokerServer } from "../testing/broker-servers.ts";
import { openBroker, queueOf } from "./open.ts";

const kills = 3;
const lanes = 20;
const calls = 900;

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
      await expect.poll(() => made, { timeout: 60_000 }).toBeGreaterThan((calls * kill) / (kills + 1));
      const restarted = server().restart("SIGKILL");
      const index = kill % 2;
      await pods[index]!.server.drain({ timeoutMs: 10_000, minimumMs: 0 });
      await restarted;
      pods[index] = await pod(index);
    }
    await load;
    const observer = await openBroker({ url: broker });
    using effects = new DatabaseSync(join(folder, "keys.db"));
    const taken = (): string[] =>
      effects
        .prepare("SELECT body FROM effect")
        .all()
        .map((row) => String(row["body"]));
    const missing = (): string[] => [...accepted].filter((body) => !taken().includes(body));
    await expect.poll(missing, { timeout: 90_000, interval: 250 }).toEqual([]);
    const left = async (): Promise<unknown> => {
      const { ready, inFlight = 0, dead } = await observer.depth(queueOf(name, "work"));
      return { ready, inFlight, dead, held: await held?.(queueOf(name, "work")) };
    };
    // Whatever was acknowledged is gone, though the server was killed before, while and after it heard of it.
    await expect
      .poll(left, { timeout: 120_000, interval: 250 })
      .toEqual({ ready: 0, inFlight: 0, dead: 0, held: held === undefined ? undefined : 0 });
    const bodies = taken();
    expect(bodies.filter((body) => refused.has(body))).toEqual([]);
    const keyed = bodies.filter((body) => Number(body) % 4 !== 3);
    expect(keyed.length).toBe(new Set(keyed).size);
    expect(accepted.size).toBeGreaterThan(calls / 2);
    await Promise.all([client.close(), observer.close(), ...pods.map((each) => each.server.close())]);
    for (const store of stores) store.close();
    rmSync(folder, { recursive: true });
  }, 400_000);
}
