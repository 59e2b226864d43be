// A keyed durable call has its effect once where the service keeps keys and commits: pods are killed (-9) at each point where that
// could go wrong, with the broker and the store in files of their own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { memoryStore } from "../dedupe/memory-store.ts";
import { ServiceError } from "../errors.ts";
import { serve } from "../server/serve.ts";
import { method, service } from "../define.ts";
import type { RequestContext } from "../handler.ts";
import { startChild, stopChildren } from "../testing/child.ts";
import { openBroker, queueOf } from "./open.ts";

const folder = mkdtempSync(join(tmpdir(), "wherry-once-"));
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await stopChildren();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Dies where its body says, in its first delivery. */
const program = `
  import { method, run, service } from "@wherry/service";
  import { sqliteStore } from "@wherry/service/dedupe";
  const store = await sqliteStore(process.env.STORE);
  await run(service("orders", {
    dedupe: store,
    methods: {
      order: method({
        durable: true,
        handler: ({ item, dies }, context) => {
          const at = (point) => {
            if (context.attempt === 1 && dies === point) process.kill(process.pid, "SIGKILL");
          };
          at("before the commit");
          const reply = store.commit(context, (database) => {
            database.exec("CREATE TABLE IF NOT EXISTS shipped (item TEXT, attempt INTEGER)");
            database.prepare("INSERT INTO shipped VALUES (?, ?)").run(item, context.attempt);
            at("in the commit");
            return item;
          });
          at("after the commit");
          queueMicrotask(() => at("after the handler"));
          return reply;
        },
      }),
    },
  }));`;

const points = ["before the commit", "in the commit", "after the commit", "after the handler", "nowhere"];

test("a call whose pod is killed between its effect and its acknowledgement has the effect once", async () => {
  const url = `sqlite://${join(folder, "broker.db")}`;
  const store = join(folder, "store.db");
  const broker = await openBroker({ url });
  closing.push(() => broker.close());
  const client = connect("orders", { endpoints: [], durable: ["order"], broker: url });
  closing.push(() => client.close());
  for (const round of [1, 2])
    for (const dies of points) {
      const item = `${dies} ${round}`;
      await client.call("order", { item, dies }, { key: item });
    }
  const pods: number[] = [];
  const drained = async (): Promise<boolean> => {
    const { ready, inFlight } = await broker.depth(queueOf("orders", "order"));
    return ready === 0 && inFlight === 0;
  };
  while (!(await drained())) {
    const pod = startChild({ program, env: { BROKER_URL: url, STORE: store } });
    pods.push(pod.process.pid ?? 0);
    let ended: unknown;
    void pod.exit.then((exit) => (ended = exit));
    await expect.poll(async () => ended !== undefined || (await drained())).toBe(true);
    if (ended !== undefined) expect(ended, pod.stderr()).toEqual({ code: null, signal: "SIGKILL" });
  }
  // Each of the four points killed a pod in each round: the last one found the queue as they had left it.
  expect(pods).toHaveLength(9);
  using database = new DatabaseSync(store);
  const rows = database.prepare("SELECT item, attempt FROM shipped ORDER BY item").all();
  const expected = [1, 2].flatMap((round) =>
    points.map((dies) => ({
      item: `${dies} ${round}`,
      // A committed effect is the first delivery's; the second one found it, and had none.
      attempt: dies === "before the commit" || dies === "in the commit" ? 2 : 1,
    })),
  );
  expect(rows.map((row) => ({ ...row }))).toEqual(expected.sort((a, b) => (a.item < b.item ? -1 : 1)));
  expect(await broker.depth(queueOf("orders", "order"))).toMatchObject({ dead: 0 });
});

/** One service whose method keeps its keys, with a broker of its own. */
async function orders(handler: (body: unknown, context: RequestContext) => unknown) {
  const url = `sqlite://${join(mkdtempSync(join(folder, "case-")), "broker.db")}`;
  const broker = await openBroker({ url });
  closing.push(() => broker.close());
  const definition = service("orders", {
    dedupe: memoryStore(),
    methods: { order: method({ durable: true, handler }) },
  });
  const { server } = await serve(definition, { broker: url });
  closing.push(() => server.close());
  const client = connect("orders", { endpoints: [], durable: ["order"], broker: url });
  closing.push(() => client.close());
  return { broker, client };
}

test("a dead letter that is driven back is run again, not answered with its old error", async () => {
  let open = false;
  const seen: unknown[] = [];
  const { broker, client } = await orders((body) => {
    if (!open) throw new ServiceError("SHUT", "no orders today");
    seen.push(body);
  });
  await client.call("order", "boat", { key: "order-7" });
  await expect.poll(() => broker.depth(queueOf("orders", "order"))).toMatchObject({ dead: 1 });
  open = true;
  expect(await broker.redrive(queueOf("orders", "order"), "all")).toBe(1);
  await expect.poll(() => seen).toEqual(["boat"]);
});

test("a failure that is retryable frees the key for the next delivery", async () => {
  const attempts: number[] = [];
  const { broker, client } = await orders((_body, { attempt }) => {
    attempts.push(attempt);
    if (attempt < 3) throw new ServiceError("DOWN", "the bank is down", { retryable: true });
  });
  await client.call("order", "boat", { key: "order-7" });
  await expect.poll(() => attempts).toEqual([1, 2, 3]);
  await expect.poll(() => broker.depth(queueOf("orders", "order"))).toEqual({ ready: 0, inFlight: 0, dead: 0 });
});
