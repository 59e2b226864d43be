// Durable calls of clients that do not publish themselves: the pod that gets one stores it.
import { describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { ServiceError } from "../errors.ts";
import { serve } from "../server/serve.ts";
import type { DurableReceipt } from "../method.ts";
import { method, service } from "../define.ts";
import { brokerUrl, closing } from "./orders.suite.ts";

/** A server whose broker confirms nothing until the test says what became of it, and a client of it. */
async function unconfirmed(options: { queueMax?: number } = {}) {
  const definition = service("orders", {
    queueMax: options.queueMax ?? 1000,
    methods: { order: method({ durable: true, handler: () => undefined }) },
  });
  const { server, endpoint } = await serve(definition, { broker: brokerUrl(), onCrash: () => undefined });
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
