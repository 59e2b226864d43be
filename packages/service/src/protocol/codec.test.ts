// Bodies by a codec of the contract instead of JSON: who has it on both sides, who has not, and who has another.
import { deserialize, serialize } from "node:v8";
import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { connect } from "../client/connect.ts";
import type { Client } from "../client/types.ts";
import type { Contract } from "../contract.ts";
import { memoryStore } from "../dedupe/memory-store.ts";
import { serve } from "../server/serve.ts";
import { service } from "../define.ts";
import type { Codec } from "./content.ts";

/** Node's own: for peers that trust each other, for it is not made to withstand what others send. */
const v8: Codec = { name: "v8", encode: serialize, decode: deserialize };

const times = {
  name: "times",
  codec: v8,
  methods: {
    later: { input: z.object({ at: z.date(), by: z.bigint() }), output: z.map(z.string(), z.date()), keyed: true },
    same: { input: z.unknown(), output: z.unknown() },
  },
} satisfies Contract;
const handlers = {
  later: ({ at, by }: { at: Date; by: bigint }) => new Map([["later", new Date(at.getTime() + Number(by))]]),
  same: (body: unknown) => body,
};

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
async function serving(of: typeof times | Omit<typeof times, "codec">, dedupe = memoryStore()): Promise<string> {
  const { endpoint, server } = await serve(service(of, handlers, { dedupe }));
  closing.push(() => server.close());
  return endpoint;
}
function clientOf(endpoint: string, codec?: Codec): Client<typeof times> {
  const contract = { ...times, ...(codec === undefined ? {} : { codec }) };
  const client = connect(contract, { endpoints: [endpoint] });
  closing.push(() => client.close());
  return client;
}

describe("a codec", () => {
  test("carries what JSON cannot, both ways, typed as it is", async () => {
    const client = clientOf(await serving(times));
    const later = await client.later({ at: new Date(1000), by: 5n });
    expectTypeOf(later).toEqualTypeOf<Map<string, Date>>();
    expect(later).toEqual(new Map([["later", new Date(1005)]]));
    expect(await client.same(new Set([1n, undefined]))).toEqual(new Set([1n, undefined]));
    await expect(client.later({ at: new Date(Number.NaN), by: 1n })).rejects.toMatchObject({ code: "INVALID" });
  });

  test("leaves bytes and nothing as they are", async () => {
    const client = clientOf(await serving(times));
    expect(await client.same(Buffer.from("bytes"))).toEqual(Buffer.from("bytes"));
    expect(await client.same(undefined)).toBeUndefined();
  });

  test("those without it are served in JSON, from the same store of results, too", async () => {
    const endpoint = await serving(times);
    const plain = connect("times", { endpoints: [endpoint] });
    closing.push(() => plain.close());
    expect(await plain.call("same", { a: 1 })).toEqual({ a: 1 });
    expect(await plain.call("same", { a: 1 }, { key: "1" })).toEqual({ a: 1 });
    const client = clientOf(endpoint);
    const first = await client.later({ at: new Date(0), by: 1n }, { key: "2" });
    expect(await client.later({ at: new Date(0), by: 1n }, { key: "2" })).toEqual(first);
  });

  test("another one is a clear error, not a riddle", async () => {
    const other = clientOf(await serving(times), { ...v8, name: "v9" });
    await expect(other.same(1)).rejects.toMatchObject({
      code: "INVALID",
      message:
        "body: expected JSON, bytes and codec v8, got one of codec v9; give service and client the same contract",
    });
    const jsonOnly = { name: times.name, methods: times.methods };
    await expect(clientOf(await serving(jsonOnly)).same(1)).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringContaining("expected JSON and bytes, got one of codec v8"),
    });
  });

  test("carries items both ways, and events, each subscriber's as he speaks", async () => {
    const streaming = {
      name: "streaming",
      codec: v8,
      topics: { ticks: z.date(), sizes: z.bigint() },
      methods: {
        count: { stream: "out", input: z.object({ from: z.bigint() }), output: z.bigint() },
        sum: { stream: "in", input: z.bigint(), output: z.bigint() },
        later: { stream: "both", input: z.date(), output: z.date() },
      },
    } satisfies Contract;
    const served = service(streaming, {
      *count({ from }) {
        yield from;
        yield from + 1n;
        return new Set([from]);
      },
      async sum(items) {
        let sum = 0n;
        for await (const item of items) sum += item;
        return sum;
      },
      async *later(items) {
        for await (const item of items) yield new Date(item.getTime() + 1);
      },
    });
    const { endpoint, server } = await serve(served);
    closing.push(() => server.close());
    const client = connect(streaming, { endpoints: [endpoint] });
    const { name, methods, topics } = streaming;
    const plain = connect({ name, methods, topics }, { endpoints: [endpoint] });
    closing.push(
      () => client.close(),
      () => plain.close(),
    );
    const counted = client.stream("count", { from: 5n });
    expect(await all(counted)).toEqual([5n, 6n]);
    expect(await counted.result).toEqual(new Set([5n]));
    expect(await client.stream("sum", [1n, 2n]).result).toBe(3n);
    expect(await all(client.stream("later", [new Date(1)]))).toEqual([new Date(2)]);
    await expect(client.stream("sum", ["no number"] as never).result).rejects.toMatchObject({ code: "INVALID" });

    const [own, json] = [client.subscribe("ticks"), plain.subscribe("ticks")];
    await Promise.all([own.ready, json.ready]);
    expect(server.publish("ticks", new Date(3))).toBe("sent");
    expect((await own.next()).value?.event).toEqual(new Date(3));
    expect((await json.next()).value?.event).toBe(new Date(3).toJSON());
    // What JSON cannot hold, who speaks nothing else misses, and is told so.
    const [big, small] = [client.subscribe("sizes"), plain.subscribe("sizes")];
    await Promise.all([big.ready, small.ready]);
    expect(server.publish("sizes", 7n)).toBe("partly");
    expect((await big.next()).value?.event).toBe(7n);
    await expect.poll(() => small.missed).toBe(1);
  });

  test("another one is a clear error in streams, too", async () => {
    const sums = {
      name: "sums",
      methods: { sum: { stream: "in", input: z.number(), output: z.number() } },
    } satisfies Contract;
    const { endpoint, server } = await serve(service(sums, { sum: async (items) => (await all(items)).length }));
    closing.push(() => server.close());
    const client = connect({ ...sums, codec: v8 }, { endpoints: [endpoint] });
    closing.push(() => client.close());
    await expect(client.stream("sum", [1]).result).rejects.toMatchObject({
      code: "INVALID",
      message: "item 1: expected JSON and bytes, got one of codec v8; give service and client the same contract",
    });
  });

  test("bytes that are none of its are the caller's mistake", async () => {
    const liar = clientOf(await serving(times), { ...v8, encode: () => Buffer.from("nonsense") });
    await expect(liar.same(1)).rejects.toMatchObject({
      code: "INVALID",
      message: "body: expected one of codec v8, got 8 bytes that are none",
    });
  });

  test("its name has a form", () => {
    expect(() => service({ ...times, codec: { ...v8, name: "two words" } }, handlers)).toThrow(
      /codec.name: expected 1 to 64/,
    );
  });
});
