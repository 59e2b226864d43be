// Durable calls from a client through a broker to a handler and back, in one process, with the SQLite broker.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import { connect } from "../client/connect.ts";
import type { Contract } from "../contract.ts";
import type { Client } from "../client/types.ts";
import { ServiceError } from "../errors.ts";
import type { Schema, SchemaResult } from "../schema.ts";
import { serve, type Serving } from "../server/serve.ts";
import { type DurableReceipt, method, type RequestContext, service } from "../service.ts";
import { openBroker, queueOf } from "./open.ts";
import type { Broker } from "./types.ts";

let folder = "";
let url = "";
let observer: Broker;
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wherry-durable-"));
  url = `sqlite://${join(folder, "durable.db")}`;
  observer = await openBroker({ url });
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await observer.close();
  rmSync(folder, { recursive: true });
});

/** A service with one durable method, `order`, and a client that publishes to it. */
function orders(
  handler: (body: unknown, context: RequestContext) => unknown,
  options: { redeliveriesMax?: number } = {},
) {
  const definition = service("orders", {
    methods: { order: method({ durable: options, trust: "internal", handler }), plain: (body: string) => body },
  });
  const start = async (more: { onCrash?: () => void } = {}): Promise<Serving> => {
    const serving = await serve(definition, { broker: url, onCrash: () => undefined, ...more });
    closing.push(() => serving.server.close());
    return serving;
  };
  const client = (endpoints: string[] = [], durable: string[] = ["order"]): Client<typeof definition> => {
    const made = connect<typeof definition>("orders", { endpoints, durable, broker: url });
    closing.push(() => made.close());
    return made;
  };
  return { start, client };
}

/** A schema of one value. */
function picky(value: string): Schema<string> {
  const validate = (given: unknown): SchemaResult<string> =>
    given === value ? { value } : { issues: [{ message: `expected a ${value}` }] };
  return { "~standard": { version: 1, vendor: "test", validate } };
}

const depth = (): Promise<unknown> => observer.depth(queueOf("orders", "order"));

/** A server whose broker confirms nothing until the test says what became of it, and a client of it. */
async function unconfirmed(options: { queueMax?: number } = {}) {
  const definition = service("orders", {
    queueMax: options.queueMax ?? 1000,
    methods: { order: method({ durable: true, handler: () => undefined }) },
  });
  const { server, endpoint } = await serve(definition, { broker: url, onCrash: () => undefined });
  const stored: PromiseWithResolvers<DurableReceipt>[] = [];
  server.store = () => {
    stored.push(Promise.withResolvers());
    return stored.at(-1)?.promise ?? Promise.reject(new Error());
  };
  const caller = connect("orders", { endpoints: [endpoint] });
  closing.push(
    () => server.close(),
    () => caller.close(),
  );
  return { caller, stored };
}

describe("a durable call over the wire", () => {
  test("that the broker did not confirm is maybe executed: it was once told as answered", async () => {
    const { caller, stored } = await unconfirmed();
    const call = caller.call("order", 1);
    await expect.poll(() => stored.length).toBe(1);
    stored[0]?.reject(new ServiceError("ABORTED", "not confirmed", { fate: "maybe-executed" }));
    await expect(call).rejects.toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
    const keyed = caller.call("order", 1, { key: "order-7" });
    await expect.poll(() => stored.length).toBe(2);
    stored[1]?.reject(new ServiceError("ABORTED", "not confirmed", { fate: "maybe-executed" }));
    await expect.poll(() => stored.length).toBe(3);
    stored[2]?.resolve({ id: "1", duplicate: true });
    expect(await keyed).toEqual({ id: "1", duplicate: true });
  });

  test("waits in the pod within the queue's bounds: a broker that hung once let them pile up", async () => {
    const { caller, stored } = await unconfirmed({ queueMax: 2 });
    const calls = [1, 2, 3].map((body) => caller.call("order", body));
    // The third is BUSY, and its client tries it again.
    await expect.poll(() => caller.counters.retries).toBeGreaterThan(0);
    expect(stored).toHaveLength(2);
    for (const each of stored) each.resolve({ id: "1", duplicate: false });
    await expect.poll(() => stored.length).toBe(3);
    stored[2]?.resolve({ id: "2", duplicate: false });
    expect(await Promise.all(calls)).toHaveLength(3);
  });
});

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
    await expect.poll(depth).toEqual({ ready: 0, inFlight: 0, dead: 0 });
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
    const caller = connect(contract, { endpoints: [], broker: url });
    closing.push(() => caller.close());
    const receipt = await caller.order();
    expectTypeOf(receipt).toEqualTypeOf<DurableReceipt>();
    expectTypeOf<Awaited<ReturnType<typeof caller.plain>>>().toEqualTypeOf<unknown>();
    expect(receipt.duplicate).toBe(false);
    let runs = 0;
    const { server } = await serve(service(contract, { order: () => runs++, plain: () => 1 }), { broker: url });
    closing.push(() => server.close());
    await expect.poll(() => runs).toBe(1);
  });

  test("whose body the contract refuses fails at its caller, and is not stored", async () => {
    const input = picky("boat");
    const contract = { name: "orders", methods: { order: { input, durable: true } } } satisfies Contract;
    for (const options of [{}, { checkBodies: true }]) {
      const caller = connect(contract, { endpoints: [], broker: url, ...options });
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
    const { server, endpoint } = await serve(definition, { broker: url });
    closing.push(() => server.close());
    const caller = connect("orders", { endpoints: [endpoint] });
    closing.push(() => caller.close());
    await expect(caller.call("order", "car")).rejects.toMatchObject({ code: "INVALID", fate: "answered" });
    await caller.call("order", "boat");
    await expect.poll(() => seen).toEqual(["boat"]);
    await expect.poll(depth).toEqual({ ready: 0, inFlight: 0, dead: 0 });
  });

  test("is its namespace's: two services of one name share a broker, and no queue", async () => {
    const seen: string[] = [];
    for (const namespace of ["shop", "depot"]) {
      const order = method({ durable: true, handler: (body: string) => void seen.push(`${namespace} ${body}`) });
      const { server } = await serve(service("orders", { methods: { order } }), { broker: url, namespace });
      closing.push(() => server.close());
    }
    const options = { endpoints: [], durable: ["order"], broker: url };
    const callers = [connect("orders.shop", options), connect("orders", { ...options, namespace: "depot" })];
    for (const [index, caller] of callers.entries()) {
      closing.push(() => caller.close());
      await caller.call("order", String(index));
    }
    await expect.poll(() => seen.sort()).toEqual(["depot 1", "shop 0"]);
    expect(await observer.depth(queueOf("orders", "order", "shop"))).toEqual({ ready: 0, inFlight: 0, dead: 0 });
  });

  test("of a service with another name than its Kubernetes Service's goes to that name's queue", async () => {
    const caller = connect("orders-v2", { service: "orders", endpoints: [], durable: ["order"], broker: url });
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
    const caller = connect("orders", { endpoints: [], durable: ["order"], broker: `sqlite://${folder}` });
    await expect(caller.call("order")).rejects.toMatchObject({
      code: "UNAVAILABLE",
      fate: "not-started",
      message: expect.stringContaining(folder),
    });
    await caller.close();
    const { start } = orders(() => undefined);
    url = "redis://localhost";
    await expect(start()).rejects.toMatchObject({ code: "BROKER_URL_INVALID" });
  });
});

describe("a handler's failure", () => {
  test("that is retryable comes again, until it succeeds", async () => {
    const attempts: number[] = [];
    const { start, client } = orders((_body, { attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new ServiceError("DOWN", "the bank is down", { retryable: true });
    });
    await client().order("x");
    await start();
    await expect.poll(() => attempts).toEqual([1, 2, 3]);
    await expect.poll(depth).toEqual({ ready: 0, inFlight: 0, dead: 0 });
  });

  test("that is retryable and stays is a dead letter at the limit", async () => {
    let runs = 0;
    const { start, client } = orders(
      () => {
        runs++;
        throw new ServiceError("DOWN", "the bank is down", { retryable: true });
      },
      { redeliveriesMax: 1 },
    );
    await client().order("x", { key: "k" });
    await start();
    await expect.poll(depth).toEqual({ ready: 0, inFlight: 0, dead: 1 });
    expect(runs).toBe(2);
    const [letter] = await observer.deadLetters(queueOf("orders", "order"), 1);
    expect(letter).toMatchObject({ key: "k", count: 2, reason: { code: "DOWN", message: "the bank is down" } });
  });

  test("that is final is a dead letter at once, which can be driven back", async () => {
    let open = false;
    const seen: unknown[] = [];
    const { start, client } = orders((body) => {
      if (!open) throw new ServiceError("SHUT", "no orders today");
      seen.push(body);
    });
    await client().order("x");
    await start();
    await expect.poll(depth).toMatchObject({ dead: 1 });
    open = true;
    expect(await observer.redrive(queueOf("orders", "order"), "all")).toBe(1);
    await expect.poll(() => seen).toEqual(["x"]);
  });

  test("by a body that its schema refuses is a dead letter with the issues", async () => {
    const refusing = service("orders", {
      methods: { order: { durable: true, input: picky("boat"), handler: () => 1 } },
    });
    await orders(() => 1)
      .client()
      .order("car");
    const { server } = await serve(refusing, { broker: url });
    closing.push(() => server.close());
    await expect.poll(depth).toMatchObject({ dead: 1 });
    const [letter] = await observer.deadLetters(queueOf("orders", "order"), 1);
    expect(letter?.reason).toEqual({ code: "INVALID", message: "body: expected a boat" });
  });

  test("that nobody expected ends the service, and the message comes to the next one, until it has ended too many", async () => {
    let runs = 0;
    const { start, client } = orders(
      () => {
        runs++;
        throw new TypeError("x is undefined");
      },
      { redeliveriesMax: 1 },
    );
    await client().order("poison");
    await client().order("poison too");
    for (const round of [1, 2, 3, 4]) {
      const { server } = await start();
      expect(await server.ended).toMatchObject({ reason: "crashed", method: "order" });
      expect(runs).toBe(round);
    }
    await start();
    await expect.poll(depth).toEqual({ ready: 0, inFlight: 0, dead: 2 });
    const [letter] = await observer.deadLetters(queueOf("orders", "order"), 1);
    expect(letter).toMatchObject({ reason: { code: "REDELIVERIES" } });
    expect(runs).toBe(4);
  });
});

describe("a service that leaves", () => {
  test("takes nothing new, finishes and acknowledges what runs, and hands back the rest at once", async () => {
    const gate = Promise.withResolvers<undefined>();
    const seen: unknown[] = [];
    const { start, client } = orders(async (body) => {
      seen.push(body);
      await gate.promise;
    });
    const caller = client();
    for (const body of ["first", "second", "third"]) await caller.order(body);
    const { server } = await start();
    await expect.poll(() => seen).toEqual(["first"]);
    const drained = server.drain({ timeoutMs: 20_000, minimumMs: 0 });
    gate.resolve(undefined);
    expect(await drained).toMatchObject({ reason: "drained", refused: 0, aborted: 0 });
    expect(seen).toEqual(["first"]);
    expect(await depth()).toEqual({ ready: 2, inFlight: 0, dead: 0 });
  });

  test("without waiting hands back what runs, too", async () => {
    const seen: unknown[] = [];
    const { start, client } = orders(async (body, { attempt }) => {
      seen.push([body, attempt]);
      if (attempt === 1) await new Promise(() => undefined);
    });
    await client().order("boat");
    const { server } = await start();
    await expect.poll(() => seen.length).toBe(1);
    await server.close();
    expect(await depth()).toEqual({ ready: 1, inFlight: 0, dead: 0 });
    await start();
    await expect
      .poll(() => seen)
      .toEqual([
        ["boat", 1],
        ["boat", 2],
      ]);
  });
});
