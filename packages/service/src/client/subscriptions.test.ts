// Publish and subscribe as both sides see it, over a network in memory and in virtual time.
import { silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { eventQueueMessagesMax } from "../limits.ts";
import { equip } from "../server/serve.ts";
import { Server } from "../server/server.ts";
import { service } from "../define.ts";
import { MemoryNetwork, type MemoryRouter } from "../testing/memory-network.ts";
import { type TopicEvent, unchecked } from "../topic.ts";
import { ClientCore } from "./core.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const shop = service("shop", {
  topics: { sold: z.object({ item: z.string() }), price: unchecked<number>() },
  methods: { buy: (item: string, { publish }) => publish("sold", { item }) },
});

function world() {
  const network = new MemoryNetwork();
  const clock = new VirtualClock();
  const names = new Set<string>();
  let tell: () => void = () => undefined;
  const client = new ClientCore({
    ...{ service: "shop", name: "client", deadlineMs: 5000, random: new SeededRandom(1), log: silentLogger, clock },
    socket: () => network.dealer(),
    discovery: {
      start: (listener) => {
        tell = () =>
          listener(
            [...names].map((name) => ({ address: `tcp://${name}`, pod: undefined, ready: true, serving: true })),
          );
      },
    },
  });
  cleanups.push(() => client.close());
  const list = (...listed: string[]): void => {
    names.clear();
    for (const name of listed) names.add(name);
    tell();
  };
  async function pod(name: string): Promise<{ router: MemoryRouter; server: Server }> {
    const router = network.router();
    const server = new Server(router, shop, { clock, log: silentLogger, instance: name });
    await equip(server);
    cleanups.push(() => server.close());
    await server.listen(`tcp://${name}`);
    return { router, server };
  }
  const subscribers = (server: Server, count: number, topic = "sold"): Promise<void> =>
    expect.poll(() => server.topics?.all.get(topic)?.subscribers.size).toBe(count);
  return { network, clock, client, list, pod, subscribers };
}

async function take(events: AsyncIterator<TopicEvent<unknown>>, count: number): Promise<TopicEvent<unknown>[]> {
  const taken: TopicEvent<unknown>[] = [];
  while (taken.length < count) {
    const step = await events.next();
    if (step.done === true) break;
    taken.push(step.value);
  }
  return taken;
}

describe("a subscriber", () => {
  test("whose client is closed reads what has come, and then the end: its loop is over, and no error", async () => {
    const { client, list, pod, subscribers } = world();
    const { server } = await pod("a");
    list("a");
    const [events, waiting] = [client.subscribe(["sold"]), client.subscribe(["sold"])];
    await subscribers(server, 1);
    server.publish("sold", { item: "tea" });
    // Each event comes to all loops at once.
    expect(await waiting.next()).toMatchObject({ value: { event: { item: "tea" } } });
    const last = waiting.next();
    await client.close();
    expect(await last).toEqual({ done: true, value: undefined });
    expect((await take(events, 2)).map(({ event }) => event)).toEqual([{ item: "tea" }]);
    await expect(client.subscribe(["sold"]).next()).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("gets the events of every pod, in each pod's order, also of pods that come later", async () => {
    const { client, list, pod, subscribers } = world();
    const { server: a } = await pod("a");
    list("a");
    const events = client.subscribe(["sold"]);
    await events.ready;
    a.publish("sold", { item: "tea" });
    const { server: b } = await pod("b");
    list("a", "b");
    await subscribers(b, 1);
    b.publish("sold", { item: "jam" });
    a.publish("sold", { item: "rum" });
    const got = await take(events, 3);
    const of = (instance: string): unknown[] => got.filter((event) => event.instance === instance);
    expect(of("a")).toEqual([
      { topic: "sold", event: { item: "tea" }, sequence: 1, missed: 0, instance: "a" },
      { topic: "sold", event: { item: "rum" }, sequence: 2, missed: 0, instance: "a" },
    ]);
    expect(of("b")).toEqual([{ topic: "sold", event: { item: "jam" }, sequence: 1, missed: 0, instance: "b" }]);
  });

  test("of several topics gets those, told apart, and no other", async () => {
    const { client, list, pod } = world();
    const { server } = await pod("a");
    list("a");
    const both = client.subscribe(["sold", "price"]);
    const one = client.subscribe(["price"]);
    await Promise.all([both.ready, one.ready]);
    server.publish("price", 1);
    server.publish("sold", { item: "tea" });
    server.publish("price", 2);
    expect((await take(both, 3)).map(({ topic, event }) => [topic, event])).toEqual([
      ["price", 1],
      ["sold", { item: "tea" }],
      ["price", 2],
    ]);
    expect((await take(one, 2)).map(({ event }) => event)).toEqual([1, 2]);
  });

  test("who subscribes late gets what comes from then on, and has missed nothing", async () => {
    const { client, list, pod } = world();
    const { server } = await pod("a");
    expect(server.publish("price", 1)).toBe("nobody");
    list("a");
    const events = client.subscribe(["price"]);
    await events.ready;
    expect(server.publish("price", 2)).toBe("sent");
    expect(await take(events, 1)).toMatchObject([{ event: 2, sequence: 2, missed: 0 }]);
    expect(events.missed).toBe(0);
  });

  test("gets the events that handlers publish while their pod drains, and outlives it", async () => {
    const { client, list, pod, clock, subscribers } = world();
    const { server: a } = await pod("a");
    const { server: b } = await pod("b");
    list("a", "b");
    const events = client.subscribe(["sold"]);
    await Promise.all([subscribers(a, 1), subscribers(b, 1)]);
    const drained = a.drain({ timeoutMs: 5000, minimumMs: 500 });
    await expect.poll(() => client.counters.available).toBe(1);
    expect(a.publish("sold", { item: "last" })).toBe("sent");
    expect(await take(events, 1)).toMatchObject([{ event: { item: "last" }, instance: "a" }]);
    await clock.advance(600);
    expect(await drained).toMatchObject({ reason: "drained" });
    b.publish("sold", { item: "next" });
    expect(await take(events, 1)).toMatchObject([{ event: { item: "next" }, instance: "b" }]);
  });

  test("is told what it missed while its connection was broken", async () => {
    const { client, list, pod, subscribers } = world();
    const { server, router } = await pod("a");
    list("a");
    const events = client.subscribe(["price"]);
    await events.ready;
    server.publish("price", 1);
    expect(await take(events, 1)).toMatchObject([{ event: 1 }]);
    for (const connection of [...router.connections.values()]) connection.close("connection-error");
    for (const price of [2, 3, 4]) server.publish("price", price);
    await subscribers(server, 1, "price");
    await expect.poll(() => events.missed).toBe(3);
    server.publish("price", 5);
    expect(await take(events, 1)).toMatchObject([{ event: 5, sequence: 5, missed: 3 }]);
  });

  test("that is slow in its own process misses events, counted, or fails if it wants to", async () => {
    const { client, list, pod } = world();
    const { server } = await pod("a");
    list("a");
    const events = client.subscribe(["price"], { bufferMax: 2 });
    const strict = client.subscribe(["price"], { bufferMax: 2, onMissed: "fail" });
    await Promise.all([events.ready, strict.ready]);
    for (const price of [1, 2, 3, 4, 5]) server.publish("price", price);
    await expect.poll(() => events.missed).toBe(3);
    expect(await take(events, 2)).toMatchObject([{ event: 1 }, { event: 2 }]);
    server.publish("price", 6);
    expect(await take(events, 1)).toMatchObject([{ event: 6, missed: 3 }]);
    expect(await take(strict, 2)).toMatchObject([{ event: 1 }, { event: 2 }]);
    await expect(strict.next()).rejects.toMatchObject({ code: "MISSED", details: { topic: "price", missed: 1 } });
  });

  test("whose connection is slow misses events alone; the publisher may refuse instead", async () => {
    const { client, list, pod, clock } = world();
    const { server, router } = await pod("a");
    list("a");
    const events = client.subscribe(["price"]);
    await events.ready;
    server.publish("price", 1);
    router.slowness = eventQueueMessagesMax;
    expect(server.publish("price", 2)).toBe("refused");
    expect(server.publish("price", 3, { onSlow: "refuse" })).toBe("refused");
    router.slowness = 0;
    // Nothing follows, and yet the miss is told.
    await clock.advance(200);
    await expect.poll(() => events.missed).toBe(1);
    server.publish("price", 4);
    expect(await take(events, 2)).toMatchObject([
      { event: 1, sequence: 1, missed: 0 },
      { event: 4, sequence: 3, missed: 1 },
    ]);
    expect(server.topics?.all.get("price")).toMatchObject({ published: 3, missed: 1 });
  });

  test("that leaves its loop is unsubscribed; aborting its signal throws CANCELLED", async () => {
    const { client, list, pod, subscribers } = world();
    const { server } = await pod("a");
    list("a");
    const abort = new AbortController();
    const events = client.subscribe(["price"], { signal: abort.signal });
    const sold = client.subscribe(["sold"]);
    await Promise.all([events.ready, sold.ready]);
    server.publish("sold", { item: "tea" });
    for await (const { topic } of sold) {
      expect(topic).toBe("sold");
      break;
    }
    const next = events.next().catch((error: unknown) => error);
    abort.abort(new Error("enough"));
    expect(await next).toMatchObject({ code: "CANCELLED" });
    await subscribers(server, 0, "price");
    await subscribers(server, 0, "sold");
  });

  test("of a topic that there isn't is told so, with those that there are", async () => {
    const { client, list, pod, clock } = world();
    await pod("a");
    list("a");
    await expect.poll(() => client.counters.available).toBe(1);
    const events = client.subscribe(["slod"]);
    const next = events.next().catch((error: unknown) => error);
    await clock.advance(5000);
    expect(await next).toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringMatching(/no pod of shop has the topic "slod"; they have sold, price/),
    });
  });

  test("of a service without pods is told so after the deadline of calls", async () => {
    const { client, clock } = world();
    const next = client
      .subscribe(["sold"])
      .next()
      .catch((error: unknown) => error);
    await clock.advance(5000);
    expect(await next).toMatchObject({ code: "UNAVAILABLE", fate: "not-started" });
  });
});

describe("a publisher", () => {
  test("that publishes what its schema refuses, or to no topic, has a bug", async () => {
    const { pod } = world();
    const { server } = await pod("a");
    expect(() => server.publish("sold", { item: 5 })).toThrow(
      expect.objectContaining({ code: "SERVICE_EVENT_INVALID", message: expect.stringMatching(/topic sold.*item/) }),
    );
    expect(() => server.publish("slod", {})).toThrow(/no such topic/);
  });

  test("in a handler reaches subscribers, and the caller gets its reply", async () => {
    const { client, list, pod } = world();
    await pod("a");
    list("a");
    const events = client.subscribe(["sold"]);
    await events.ready;
    expect(await client.call("buy", "tea")).toBe("sent");
    expect(await take(events, 1)).toMatchObject([{ event: { item: "tea" } }]);
  });
});
