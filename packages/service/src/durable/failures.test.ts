// What becomes of a durable call whose handler fails, or whose pod leaves.
import { describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { serve } from "../server/serve.ts";
import { service } from "../define.ts";
import { brokerUrl, closing, deadLetters, depth, orders, picky, redriveAll } from "./orders.suite.ts";

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
    await expect.poll(() => depth()).toEqual({ ready: 0, inFlight: 0, dead: 0 });
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
    await expect.poll(() => depth()).toEqual({ ready: 0, inFlight: 0, dead: 1 });
    expect(runs).toBe(2);
    const [letter] = await deadLetters();
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
    await expect.poll(() => depth()).toMatchObject({ dead: 1 });
    open = true;
    expect(await redriveAll()).toBe(1);
    await expect.poll(() => seen).toEqual(["x"]);
  });

  test("by a body that its schema refuses is a dead letter with the issues", async () => {
    const refusing = service("orders", {
      methods: { order: { durable: true, input: picky("boat"), handler: () => 1 } },
    });
    await orders(() => 1)
      .client()
      .order("car");
    const { server } = await serve(refusing, { broker: brokerUrl() });
    closing.push(() => server.close());
    await expect.poll(() => depth()).toMatchObject({ dead: 1 });
    const [letter] = await deadLetters();
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
    await expect.poll(() => depth()).toEqual({ ready: 0, inFlight: 0, dead: 2 });
    const [letter] = await deadLetters();
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
