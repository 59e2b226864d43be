// Durable calls from a client through a broker to a handler and back.
import { describe, expect, expectTypeOf, test } from "vitest";
import { connect } from "../client/connect.ts";
import type { Contract } from "../contract.ts";
import type { Codec } from "../protocol/content.ts";
import { serve } from "../server/serve.ts";
import type { DurableReceipt } from "../method.ts";
import { method, service } from "../define.ts";
import { queueOf } from "./open.ts";
import { brokerFolder, brokerUrl, closing, deadLetters, depth, orders, picky, serving } from "./orders.suite.ts";

describe("a durable call", () => {
  test("resolves to a receipt when it is stored, though no pod lives; its handler runs later", async () => {
    const seen: unknown[] = [];
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const { start, client } = orders((body, context) => {
      seen.push([body, context.key, context.attempt, context.trace, context.peer]);
    });
    const caller = client();
    const receipt = await caller.order({ item: "boat" }, { key: "order-7", trace });
    expectTypeOf(receipt).toEqualTypeOf<DurableReceipt>();
    expect(receipt).toEqual({ id: expect.any(String), duplicate: false });
    expect(await caller.call("order", { item: "boat" }, { key: "order-7" })).toEqual({ ...receipt, duplicate: true });
    expect(seen).toEqual([]);
    const { server } = await start();
    await expect
      .poll(() => seen)
      .toEqual([
        [
          { item: "boat" },
          "order-7",
          1,
          expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-/),
          "broker:orders",
        ],
      ]);
    await expect.poll(() => depth()).toEqual({ ready: 0, inFlight: 0, dead: 0 });
    expect(server.metrics.methods.get("order")?.outcomes.get("OK")).toBe(1);
    expect(server.metrics.deliveries.get("order")?.get("acknowledged")).toBe(1);
  });

  test("of a client that was not told is stored by the pod; other methods answer as ever", async () => {
    const seen: unknown[] = [];
    const { start, client } = orders((body) => void seen.push(body));
    const caller = client([(await start()).endpoint], []);
    expect(await caller.order("boat", { key: "k" })).toEqual({ id: expect.any(String), duplicate: false });
    expect(await caller.order("boat", { key: "k" })).toMatchObject({ duplicate: true });
    expect(await caller.plain("hi")).toBe("hi");
    await expect.poll(() => seen).toEqual(["boat"]);
  });

  test("of a contract with a codec is stored and run by it, over the wire, too; one of another codec is a dead letter", async () => {
    const seen: unknown[] = [];
    const flipped = (name: string): Codec => ({
      name,
      encode: (value) => Buffer.from(JSON.stringify(value)).map((byte) => byte ^ 255),
      decode: (bytes) => JSON.parse(Buffer.from(bytes.map((byte) => byte ^ 255)).toString()) as unknown,
    });
    const contract = {
      name: "orders",
      codec: flipped("flip-1"),
      methods: { order: { input: picky("boat"), durable: true } },
    } satisfies Contract;
    const { endpoint } = await serving(service(contract, { order: (body) => void seen.push(body) }));
    const options = { endpoints: [endpoint], broker: brokerUrl() };
    const agreed = connect(contract, options);
    closing.push(() => agreed.close());
    await agreed.order("boat");
    const callers = [
      connect("orders", { ...options, codec: flipped("flip-1") }),
      connect("orders", options),
      connect("orders", { ...options, durable: ["order"], codec: flipped("flip-2") }),
    ];
    for (const caller of callers) {
      closing.push(() => caller.close());
      await caller.call("order", "boat");
    }
    await expect.poll(() => seen).toEqual(["boat", "boat", "boat"]);
    await expect.poll(() => depth()).toMatchObject({ ready: 0, inFlight: 0, dead: 1 });
    const [letter] = await deadLetters();
    expect(letter).toMatchObject({
      codec: "flip-2",
      reason: { code: "INVALID", message: expect.stringContaining("flip-2") },
    });
    const stranger = connect("orders", { ...options, codec: flipped("flip-3") });
    closing.push(() => stranger.close());
    await expect(stranger.call("order", "boat")).rejects.toMatchObject({ code: "INVALID", fate: "answered" });
  });

  test("made in a handler carries on its caller's trace, without being told", async () => {
    const traces: unknown[] = [];
    const { start, client } = orders((_body, { trace }) => void traces.push(trace));
    const caller = client();
    const outer = service("outer", { methods: { outer: () => caller.order("boat") } });
    const { endpoint, server } = await serve(outer);
    closing.push(() => server.close());
    const outside = connect("outer", { endpoints: [endpoint] });
    closing.push(() => outside.close());
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    expect(await outside.call("outer", undefined, { trace })).toMatchObject({ duplicate: false });
    await start();
    await expect.poll(() => traces).toEqual([expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-/)]);
  });

  test("of a contract that says so needs no option, and has the receipt's type", async () => {
    const contract = { name: "orders", methods: { order: { durable: true }, plain: {} } } satisfies Contract;
    const caller = connect(contract, { endpoints: [], broker: brokerUrl() });
    closing.push(() => caller.close());
    const receipt = await caller.order();
    expectTypeOf(receipt).toEqualTypeOf<DurableReceipt>();
    expectTypeOf<Awaited<ReturnType<typeof caller.plain>>>().toEqualTypeOf<unknown>();
    expect(receipt.duplicate).toBe(false);
    let runs = 0;
    const { server } = await serve(service(contract, { order: () => runs++, plain: () => 1 }), { broker: brokerUrl() });
    closing.push(() => server.close());
    await expect.poll(() => runs).toBe(1);
  });

  test("whose body the contract refuses fails at its caller, and is not stored", async () => {
    const input = picky("boat");
    const contract = { name: "orders", methods: { order: { input, durable: true } } } satisfies Contract;
    for (const options of [{}, { checkBodies: true }]) {
      const caller = connect(contract, { endpoints: [], broker: brokerUrl(), ...options });
      closing.push(() => caller.close());
      await expect(caller.order("car")).rejects.toMatchObject({ code: "INVALID", fate: "not-started" });
      expect(await caller.order("boat", { key: "k" })).toMatchObject({ id: expect.any(String) });
    }
    expect(await depth()).toMatchObject({ ready: 1, dead: 0 });
  });

  test("whose body the pod's schema refuses fails at a client that leaves it to the pod, and is not stored", async () => {
    const seen: unknown[] = [];
    const definition = service("orders", {
      methods: {
        order: method({
          durable: true,
          trust: "internal",
          input: picky("boat"),
          handler: (body) => void seen.push(body),
        }),
      },
    });
    const { server, endpoint } = await serve(definition, { broker: brokerUrl() });
    closing.push(() => server.close());
    const caller = connect("orders", { endpoints: [endpoint] });
    closing.push(() => caller.close());
    await expect(caller.call("order", "car")).rejects.toMatchObject({ code: "INVALID", fate: "answered" });
    await caller.call("order", "boat");
    await expect.poll(() => seen).toEqual(["boat"]);
    await expect.poll(() => depth()).toEqual({ ready: 0, inFlight: 0, dead: 0 });
  });

  test("is its namespace's: two services of one name share a broker, and no queue", async () => {
    const seen: string[] = [];
    for (const namespace of ["shop", "depot"]) {
      const order = method({ durable: true, handler: (body: string) => void seen.push(`${namespace} ${body}`) });
      const { server } = await serve(service("orders", { methods: { order } }), { broker: brokerUrl(), namespace });
      closing.push(() => server.close());
    }
    const options = { endpoints: [], durable: ["order"], broker: brokerUrl() };
    const callers = [connect("orders.shop", options), connect("orders", { ...options, namespace: "depot" })];
    for (const [index, caller] of callers.entries()) {
      closing.push(() => caller.close());
      await caller.call("order", String(index));
    }
    await expect.poll(() => seen.sort()).toEqual(["depot 1", "shop 0"]);
    expect(await depth(queueOf("orders", "order", "shop"))).toEqual({ ready: 0, inFlight: 0, dead: 0 });
  });

  test("of a service with another name than its Kubernetes Service's goes to that name's queue", async () => {
    const caller = connect("orders-v2", { service: "orders", endpoints: [], durable: ["order"], broker: brokerUrl() });
    closing.push(() => caller.close());
    await caller.call("order", "boat");
    expect(await depth()).toMatchObject({ ready: 1 });
  });

  test("runs in line with the others, one at a time", async () => {
    let running = 0;
    let done = 0;
    const { start, client } = orders(async () => {
      expect(++running).toBe(1);
      await new Promise(setImmediate);
      running--;
      done++;
    });
    const caller = client();
    await Promise.all(Array.from({ length: 30 }, (_, index) => caller.order(index)));
    await start();
    await expect.poll(() => done).toBe(30);
  });

  test("is refused when the client is closed, cancelled or too late", async () => {
    const { client } = orders(() => undefined);
    const caller = client();
    await expect(caller.order(1, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(caller.order(1, { deadlineMs: 0 })).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      fate: "not-started",
    });
    await caller.close();
    await expect(caller.order(1)).rejects.toMatchObject({ code: "CLOSED", fate: "not-started" });
  });

  test("to a broker that can't be used fails, and was not stored", async () => {
    const caller = connect("orders", { endpoints: [], durable: ["order"], broker: `sqlite://${brokerFolder()}` });
    await expect(caller.call("order")).rejects.toMatchObject({
      code: "UNAVAILABLE",
      fate: "not-started",
      message: expect.stringContaining(brokerFolder()),
    });
    await caller.close();
    const unknown = serve(service("orders", { methods: { order: { durable: true, handler: () => 1 } } }), {
      broker: "redis://localhost",
    });
    await expect(unknown).rejects.toMatchObject({ code: "BROKER_URL_INVALID" });
  });
});
