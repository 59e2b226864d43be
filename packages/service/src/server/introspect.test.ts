// What a service says of itself, asked as any client asks.
import { type } from "arktype";
import * as v from "valibot";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { connect } from "../client/connect.ts";
import type { Contract } from "../contract.ts";
import { method, service } from "../define.ts";
import { startHttp } from "../http/start.ts";
import { unchecked } from "../topic.ts";
import type { ServiceDescription, ServiceStats } from "./introspect.ts";
import { serve } from "./serve.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(hold: Promise<unknown> = Promise.resolve()) {
  const shop = service("shop", {
    version: "1.4.0",
    queueMax: 1,
    topics: { sold: z.object({ item: z.string() }), price: unchecked<number>() },
    methods: {
      buy: method({
        input: z.object({ count: z.number() }),
        output: z.number(),
        keyed: true,
        handler: ({ count }) => count,
      }),
      pack: method({ input: type({ weight: "number" }), trust: "internal", handler: ({ weight }) => weight }),
      send: method({ input: v.object({ to: v.string() }), handler: ({ to }) => to }),
      date: method({ input: z.date(), handler: (date) => date }),
      hold: () => hold,
      watch: method({ stream: "out", endless: true, output: z.number(), handler: () => [1, 2, 3] }),
    },
  });
  const { endpoint, server } = await serve(shop, { pod: "uid-7" });
  const client = connect("shop", { endpoints: [endpoint] });
  cleanups.push(
    () => client.close(),
    () => server.close(),
  );
  return { client, server };
}

test("what does not change is made once, however often it is asked for: nobody holds up others by asking", async () => {
  const asked = { input: 0 };
  const count = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value: unknown) => ({ value }),
      jsonSchema: { input: () => ({ type: "number", asked: ++asked.input }), output: () => ({}) },
    },
  } as const;
  const counted = service("counted", { methods: { add: method({ input: count, handler: (body: unknown) => body }) } });
  const { endpoint, server } = await serve(counted);
  const client = connect("counted", { endpoints: [endpoint] });
  cleanups.push(
    () => client.close(),
    () => server.close(),
  );
  for (const question of ["$openapi", "$describe"]) {
    const first = await client.call(question as "$describe");
    const before = asked.input;
    const again = await Promise.all(Array.from({ length: 50 }, () => client.call(question as "$describe")));
    for (const answer of again) expect(answer).toEqual(first);
    expect(asked.input).toBe(before);
  }
});

describe("$describe", () => {
  test("names methods, topics and limits, with schemas as JSON Schema where their library can say them", async () => {
    const { client } = await start();
    const told = (await client.call("$describe")) as ServiceDescription;
    expect(told).toMatchObject({
      name: "shop",
      version: "1.4.0",
      instance: "uid-7",
      pod: "uid-7",
      protocol: 1,
      raw: false,
    });
    const { buy, pack, send, date, watch } = told.methods;
    expect(buy).toMatchObject({
      ...{ trust: "external", idempotent: false, keyed: true },
      input: {
        vendor: "zod",
        schema: { type: "object", properties: { count: { type: "number" } }, required: ["count"] },
      },
      output: { vendor: "zod", schema: { type: "number" } },
    });
    expect(pack).toMatchObject({
      trust: "internal",
      input: { vendor: "arktype", schema: { type: "object", properties: { weight: { type: "number" } } } },
    });
    expect(send?.input).toEqual({ vendor: "valibot", schema: {} });
    // JSON Schema has no dates: that is no reason to tell nothing of the rest.
    expect(date?.input).toEqual({ vendor: "zod", schema: {} });
    expect(watch).toMatchObject({ stream: "out", endless: true, output: { schema: { type: "number" } } });
    expect(told.topics).toMatchObject({
      sold: { event: { vendor: "zod", schema: { properties: { item: { type: "string" } } } } },
      price: { event: { vendor: "wherry", schema: {} } },
    });
    expect(told.limits).toMatchObject({ concurrency: 1, queueMax: 1, streamsMax: 100 });
  });

  test("has each method's HTTP addresses, the port once there is one, and a contract's errors with their details", async () => {
    const contract = {
      name: "shop",
      methods: {
        buy: {
          input: z.object({ count: z.number() }),
          errors: { SOLD_OUT: z.object({ left: z.number() }), CLOSED_TODAY: null },
        },
        stock: { output: z.number(), http: ["GET /stock/{item}", "GET /stock"] },
        hidden: { http: false },
      },
    } as const satisfies Contract;
    const shop = service(contract, { buy: () => 1, stock: () => 1, hidden: { trust: "internal", handler: () => 1 } });
    const { endpoint, server } = await serve(shop);
    const client = connect("shop", { endpoints: [endpoint] });
    cleanups.push(
      () => client.close(),
      () => server.close(),
    );
    const told = (await client.call("$describe" as never)) as ServiceDescription;
    expect(told).not.toHaveProperty("httpPort");
    const { buy, stock, hidden } = told.methods;
    expect(buy).toMatchObject({
      http: ["POST /buy"],
      errors: { SOLD_OUT: { vendor: "zod", schema: { properties: { left: { type: "number" } } } }, CLOSED_TODAY: null },
    });
    expect(stock).toMatchObject({
      http: ["GET /stock/{item}", "GET /stock"],
      // It takes no argument.
      input: { vendor: "wherry", schema: { type: "null" } },
    });
    for (const key of ["http", "errors"]) expect(hidden).not.toHaveProperty(key);
    const { url } = await startHttp(server, "127.0.0.1", 0);
    expect(await client.call("$describe" as never)).toMatchObject({ httpPort: Number(new URL(url).port) });
  });

  test("is answered with a full queue too, as $ping and $stats are", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { client, server } = await start(promise);
    const held = [client.call("hold"), client.call("hold")];
    await expect.poll(() => server.executor.queued).toBe(1);
    const stop = new AbortController();
    const oneMore = client.call("hold", undefined, { signal: stop.signal });
    expect(await client.call("$ping")).toEqual({});
    expect(await client.call("$stats")).toMatchObject({ queued: 1, running: 1, state: "ready" });
    stop.abort();
    await expect(oneMore).rejects.toMatchObject({ code: "CANCELLED", fate: "not-started" });
    resolve("done");
    await Promise.all(held);
  });

  test("$openapi is the document of the HTTP port, whether or not there is one", async () => {
    const { client } = await start();
    const document = (await client.call("$openapi")) as { openapi: string; paths: Record<string, unknown> };
    expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "shop" } });
    expect(Object.keys(document.paths)).toContain("/hold");
  });

  test("an unknown one is NOT_FOUND, with those that there are", async () => {
    const { client } = await start();
    await expect(client.call("$destroy")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringMatching(/begin with \$, it has \$ping, \$describe, \$openapi, \$stats/),
    });
  });
});

test("$stats counts requests, streams and events, and says how long requests took", async () => {
  const { client, server } = await start();
  for (let count = 1; count <= 4; count++) await client.call("buy", { count });
  await client.call("buy", {}).catch(() => undefined);
  const stream = client.stream("watch");
  for await (const item of stream) expect(item).toBeGreaterThan(0);
  const events = client.subscribe("price");
  await events.ready;
  server.publish("price", 1);
  const stats = (await client.call("$stats")) as ServiceStats;
  expect(stats).toMatchObject({ instance: "uid-7", state: "ready", queued: 0, running: 0, streams: 0, peers: 1 });
  expect(stats.methods["buy"]).toMatchObject({ count: 5, codes: { OK: 4, INVALID: 1 } });
  expect(stats.methods["buy"]?.p50Ms).toBeGreaterThan(0);
  expect(stats.methods["watch"]).toMatchObject({ count: 1, codes: { OK: 1 }, itemsIn: 0, itemsOut: 3 });
  expect(stats.topics["price"]).toEqual({ published: 1, missed: 0, subscribers: 1 });
  expect(stats.uptimeMs).toBeGreaterThanOrEqual(0);
});
