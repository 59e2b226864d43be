// What the caller of a durable method is told, whatever its broker does: repetitions, fallbacks, options that don't fit, and where
// the call goes.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualClock } from "@wherry/core/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { connect } from "../client/connect.ts";
import type { CallOptions, Client, ConnectOptions } from "../client/types.ts";
import { brokerError } from "./errors.ts";
import type { Broker, OutgoingMessage, Receipt } from "./types.ts";

const clients: Client[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const client of clients.splice(0)) await client.close();
});

type Outcome = "unavailable" | "unconfirmed" | "refused" | "stored";

/** A broker that does with its publishes what the test says, the last again and again; and what it was given. */
function brokerThat(...outcomes: Outcome[]) {
  const published: (OutgoingMessage & { readonly queue: string })[] = [];
  const publish = async (queue: string, message: OutgoingMessage): Promise<Receipt> => {
    const outcome = outcomes[published.length] ?? outcomes.at(-1);
    published.push({ ...message, queue });
    if (outcome === "unavailable") throw brokerError("BROKER_UNAVAILABLE", "it is away");
    if (outcome === "unconfirmed") throw brokerError("BROKER_UNCONFIRMED", "it did not answer");
    if (outcome === "refused") throw brokerError("BROKER_REFUSED", "it never will");
    return { id: "1", duplicate: false };
  };
  return { broker: { publish } as Partial<Broker> as Broker, published };
}

function clientOf(
  broker: Broker,
  options: ConnectOptions = {},
): { readonly client: Client; readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  const client = connect("orders", { endpoints: [], durable: ["order"], broker, clock, ...options });
  clients.push(client);
  return { client, clock };
}

/** Its outcome, while time goes by: from its first publish on, for what the client loads before takes as long as it takes. */
async function settled(clock: VirtualClock, call: Promise<unknown>, published: readonly unknown[]): Promise<unknown> {
  let outcome: unknown;
  call.then(
    (value) => (outcome = value),
    (error: unknown) => (outcome = error),
  );
  await expect.poll(() => published.length).toBeGreaterThan(0);
  while (outcome === undefined) {
    await clock.advance(50);
    await new Promise(setImmediate);
  }
  return outcome;
}

const receipt = { id: "1", duplicate: false };

describe("a durable call", () => {
  test.each<[string, Outcome[], CallOptions, number, object]>([
    ["that was not stored is sent again", ["unavailable", "unavailable", "stored"], {}, 3, receipt],
    ["that is maybe stored, and has a key", ["unconfirmed", "stored"], { key: "k" }, 2, receipt],
    ["that is maybe stored, and may be twice", ["unconfirmed", "stored"], { idempotent: true }, 2, receipt],
    ["that is maybe stored is told so", ["unconfirmed"], {}, 1, { code: "ABORTED", fate: "maybe-executed" }],
    ["is sent as often as its caller allows", ["unavailable"], { retry: { attempts: 2 } }, 2, { code: "UNAVAILABLE" }],
    ["that the broker refuses is sent once", ["refused"], {}, 1, { code: "UNAVAILABLE", fate: "not-started" }],
  ])("%s", async (_what, outcomes, options, times, expected) => {
    const { broker, published } = brokerThat(...outcomes);
    const { client, clock } = clientOf(broker);
    expect(await settled(clock, client.call("order", "boat", options), published)).toMatchObject(expected);
    expect(published).toHaveLength(times);
  });

  test("fails within its deadline with what the broker said last, and with what that means for it", async () => {
    const { broker, published } = brokerThat("unconfirmed", "unavailable");
    const { client, clock } = clientOf(broker, { deadlineMs: 2000 });
    const error = await settled(clock, client.call("order", "boat", { key: "k" }), published);
    expect(error).toMatchObject({ code: "UNAVAILABLE", message: "it is away", fate: "maybe-executed" });
    expect(clock.monotonic()).toBeLessThan(3000);
  });

  test("takes its caller's fallback when it was not stored", async () => {
    const { broker, published } = brokerThat("refused");
    const { client, clock } = clientOf(broker, {
      methods: { order: { fallback: { id: "kept here", duplicate: false } } },
    });
    expect(await settled(clock, client.call("order", "boat"), published)).toMatchObject({ id: "kept here" });
    const fallback = (error: { code: string }): unknown => error.code;
    expect(await settled(clock, client.call("order", "boat", { fallback }), published)).toBe("UNAVAILABLE");
  });

  test.each<[string, CallOptions]>([
    ["hedge", { hedge: { afterMs: 10 } }],
    ["affinity", { affinity: "a" }],
    ["to", { to: "orders-1" }],
    ["retry.attemptTimeoutMs", { retry: { attemptTimeoutMs: 100 } }],
    ["retry.crashes", { retry: { crashes: 3 } }],
  ])("refuses %s, which only pods can honour: it was once ignored", async (name, options) => {
    const { broker, published } = brokerThat("stored");
    const { client } = clientOf(broker);
    const refusal = { code: "SERVICE_OPTION_INVALID", message: expect.stringContaining(`${name}: expected none`) };
    await expect(client.call("order", "boat", options)).rejects.toMatchObject(refusal);
    expect(published).toEqual([]);
    expect(await client.call("order", "boat", { hedge: false })).toEqual(receipt);
  });

  test("refuses a client whose options for it only pods can honour", () => {
    const { broker } = brokerThat("stored");
    for (const order of [{ hedge: { afterMs: 1 } }, { breaker: {} }])
      expect(() => clientOf(broker, { methods: { order } })).toThrow(
        expect.objectContaining({ code: "SERVICE_OPTION_INVALID" }),
      );
  });
});

describe("a durable call whose time is over", () => {
  /** A broker that is away, or that hangs with what it was given, until the test lets it go on. */
  function brokerThatHangs() {
    const [there, confirmed] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const seen = { asked: 0, given: 0 };
    const broker: Partial<Broker> = {
      ready: async () => {
        seen.asked++;
        await there.promise;
      },
      publish: async () => {
        seen.given++;
        await confirmed.promise;
        return { id: "1", duplicate: false };
      },
    };
    return { broker: broker as Broker, seen, there, confirmed };
  }
  /** Waits for what is real before virtual time goes by. */
  const reached = (count: () => number): Promise<void> => expect.poll(count, { interval: 5 }).toBe(1);

  test("before the broker was reached is told that it was not stored, and is not stored afterwards", async () => {
    const { broker, seen, there } = brokerThatHangs();
    const { client, clock } = clientOf(broker, { deadlineMs: 1000 });
    const call = client.call("order", "boat");
    const outcome = expect(call).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      fate: "not-started",
      message: "the broker was not reached within 1000 ms; the call was not stored",
    });
    await reached(() => seen.asked);
    await clock.advance(1000);
    await outcome;
    there.resolve(undefined);
    const later = expect(client.call("order", "oar")).rejects.toMatchObject({ fate: "maybe-executed" });
    await reached(() => seen.given);
    expect(seen.asked).toBe(2);
    await clock.advance(1000);
    await later;
    expect(seen.given).toBe(1);
  });

  test("after the broker was given it is maybe stored", async () => {
    const { broker, seen, there } = brokerThatHangs();
    there.resolve(undefined);
    const { client, clock } = clientOf(broker, { deadlineMs: 1000 });
    const outcome = expect(client.call("order", "boat")).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      fate: "maybe-executed",
      message: expect.stringMatching(/did not confirm within 1000 ms; the call may be stored/),
    });
    await reached(() => seen.given);
    await clock.advance(1000);
    await outcome;
  });

  test("is told the same when its caller cancels it", async () => {
    const { broker, seen, there } = brokerThatHangs();
    const { client } = clientOf(broker);
    const [first, second] = [new AbortController(), new AbortController()];
    const unreached = client.call("order", "boat", { signal: first.signal });
    await reached(() => seen.asked);
    first.abort();
    await expect(unreached).rejects.toMatchObject({ code: "CANCELLED", fate: "not-started" });
    there.resolve(undefined);
    const given = client.call("order", "boat", { signal: second.signal });
    await reached(() => seen.given);
    second.abort();
    await expect(given).rejects.toMatchObject({ code: "CANCELLED", fate: "maybe-executed" });
  });

  test("is maybe stored when an earlier try was, and says what came of that", async () => {
    const { broker, seen } = brokerThatHangs();
    let tries = 0;
    const breaking: Broker = {
      ...broker,
      ready: async (queue) => (tries++ === 0 ? undefined : broker.ready?.(queue)),
      publish: () => Promise.reject(brokerError("BROKER_UNCONFIRMED", "it broke")),
    };
    const { client, clock } = clientOf(breaking, { deadlineMs: 5000 });
    const outcome = expect(client.call("order", "boat", { key: "k" })).rejects.toMatchObject({
      fate: "maybe-executed",
      message: expect.stringContaining("it broke"),
    });
    await expect.poll(() => tries).toBe(1);
    await expect
      .poll(async () => {
        if (seen.asked === 0) await clock.advance(50);
        return seen.asked;
      })
      .toBe(1);
    await clock.advance(5000);
    await outcome;
  });
});

describe("a durable call from outside of a cluster", () => {
  const folder = mkdtempSync(join(tmpdir(), "wherry-calling-"));
  const file = join(folder, "config");
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("goes to the namespace where its client looks for the pods: it once went to `default`", async () => {
    const context = { cluster: "c", user: "u", namespace: "shop" };
    const config = {
      ...{ apiVersion: "v1", kind: "Config", "current-context": "x" },
      clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:1" } }],
      users: [{ name: "u", user: { token: "t" } }],
      contexts: [{ name: "x", context }],
    };
    writeFileSync(file, JSON.stringify(config));
    vi.stubEnv("KUBECONFIG", file);
    const { broker, published } = brokerThat("stored");
    const options = { durable: ["order"], broker };
    for (const client of [
      connect("orders", options),
      connect("orders.depot", options),
      connect("orders", { ...options, namespace: "yard" }),
      connect("orders", { ...options, endpoints: [] }),
    ]) {
      clients.push(client);
      await client.call("order");
    }
    const queues = ["shop", "depot", "yard", "default"].map((namespace) => `${namespace}.orders.order`);
    expect(published.map(({ queue }) => queue)).toEqual(queues);
  });
});
