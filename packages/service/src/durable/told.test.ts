// What a service tells of its durable methods: in its description, its figures and its metrics.
import { VirtualClock } from "@wherry/core/testing";
import { expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { ServiceError } from "../errors.ts";
import type { ServiceStats } from "../server/introspect.ts";
import { service } from "../define.ts";
import { closing, orders, serving } from "./orders.suite.ts";
import { Queues } from "./queues.ts";
import type { Broker, Depth } from "./types.ts";

test("a pod says that a method is durable, what waits for it, and counts a call where it is run, however it came", async () => {
  let open = false;
  const { start, client } = orders(
    (body) => {
      if (!open || body === "never") throw new ServiceError("SHUT", "no orders today");
    },
    { redeliveriesMax: 2 },
  );
  const { endpoint, server } = await start();
  const asker = connect("orders", { endpoints: [endpoint] });
  closing.push(() => asker.close());
  expect(await asker.call("$describe")).toMatchObject({
    methods: {
      order: { keyed: true, durable: { broker: "sqlite", redeliveriesMax: 2, maxRunMs: expect.any(Number) } },
      plain: expect.not.objectContaining({ durable: expect.anything() }),
    },
  });
  await client().call("order", "never");
  const figures = async (): Promise<unknown> => ((await asker.call("$stats")) as ServiceStats).methods["order"];
  await expect.poll(figures).toMatchObject({ count: 1, codes: { SHUT: 1 } });
  await expect
    .poll(() => asker.call("$queues"))
    .toEqual({
      order: { ready: 0, inFlight: 0, dead: 1 },
    });
  open = true;
  await client().call("order", "from its client");
  // From one that does not publish itself: the pod stores it, which is no second call.
  await asker.call("order", "over the wire");
  await expect.poll(figures).toMatchObject({ count: 3, codes: { SHUT: 1, OK: 2 } });
  expect([...server.metrics.stored]).toEqual([["order", 1]]);
});

test("a service without durable methods has no queues", async () => {
  const { endpoint } = await serving(service("plain", { methods: { echo: (body: string) => body } }));
  const client = connect("plain", { endpoints: [endpoint] });
  closing.push(() => client.close());
  expect(await client.call("$queues")).toEqual({});
});

test("a broker is asked once for all who look, and one that hangs is not waited for", async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const answers: ((depth: Depth) => void)[] = [];
  const depth = (): Promise<Depth> => {
    asked++;
    return new Promise((resolve) => answers.push(resolve));
  };
  const names = new Map([["order", "default.orders.order"]]);
  const queues = new Queues(names, async () => ({ depth }) as unknown as Broker, clock);
  const looks = Promise.all([queues.look(), queues.look()]);
  await clock.advance(1000);
  expect(await looks).toEqual([{ order: null }, { order: null }]);
  expect(asked).toBe(1);
  await clock.advance(2000);
  const later = queues.look();
  await expect.poll(() => answers.length).toBe(2);
  answers[1]?.({ ready: 3, inFlight: undefined, dead: 1 });
  expect(await later).toEqual({ order: { ready: 3, inFlight: undefined, dead: 1 } });
  await clock.advance(2001);
  const failing = new Queues(names, () => Promise.reject(new Error("away")), clock);
  expect(await failing.look()).toEqual({ order: null });
});
