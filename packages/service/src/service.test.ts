// What can be written down as a service, and what its client's types then are. The types are checked by the compiler; running it is the
// smaller part.
import { describe, expect, expectTypeOf, test } from "vitest";
import type { Contract } from "./contract.ts";
import type { Client } from "./client/types.ts";
import type { Schema } from "./schema.ts";
import { method, service } from "./define.ts";
import type { RequestContext } from "./handler.ts";
import type { ItemStream, StreamHandle } from "./stream/types.ts";
import { unchecked } from "./topic.ts";

const numberSchema: Schema<number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => (typeof value === "number" ? { value } : { issues: [{ message: "no number" }] }),
  },
};

describe("a service's definition", () => {
  test("takes plain functions, and methods with promises about them", () => {
    const shop = service("shop", {
      version: "1.0.0",
      concurrency: 4,
      methods: {
        price: (body: { readonly item: string }) => body.item.length,
        order: method({ input: numberSchema, keyed: true, handler: async (count) => ({ ordered: count }) }),
      },
    });
    expect(shop.methods.get("price")).toMatchObject({ trust: "external", idempotent: false, keyed: false });
    expect(shop.methods.get("order")).toMatchObject({ keyed: true, input: numberSchema });
    expect(shop).toMatchObject({ name: "shop", version: "1.0.0", concurrency: 4, queueMax: 1000 });
  });

  test.each([
    ["a name that is no DNS label", () => service("Echo!", { raw: (frames) => frames }), /name: expected a DNS label/],
    ["no method and no raw handler", () => service("echo", {}), /methods: expected at least one method, or `raw`/],
    [
      "a concurrency of 0",
      () => service("echo", { concurrency: 0, raw: (frames) => frames }),
      /whole number of at least 1/,
    ],
    [
      "a mistyped option",
      () => service("echo", { methods: { a: () => 1 }, concurency: 3 } as never),
      /service concurency: there is no such option; did you mean concurrency\?/,
    ],
    [
      "a mistyped option of a method",
      () => service("echo", { methods: { a: { handler: () => 1, idempotant: true } as never } }),
      /service methods.a.idempotant: there is no such option; did you mean idempotent\?/,
    ],
    ["a method name with a space", () => service("echo", { methods: { "a b": () => 1 } }), /methods: expected a name/],
    [
      "a method that is no function",
      () => service("echo", { methods: { a: 1 as never } }),
      /methods.a: expected a function/,
    ],
    [
      "a method without a handler",
      () => service("echo", { methods: { a: { idempotent: true } as never } }),
      /methods.a: expected a function, or an object whose `handler` is one, got \["idempotent"\]/,
    ],
  ])("%s is refused at once", (_name, define, message) => {
    expect(define).toThrow(
      expect.objectContaining({ code: "SERVICE_DEFINITION_INVALID", message: expect.stringMatching(message) }),
    );
  });
});

describe("a client's types", () => {
  const shop = service("shop", {
    methods: {
      price: (body: { readonly item: string }, { key }: RequestContext) => body.item.length + (key?.length ?? 0),
      order: method({ input: numberSchema, handler: async (count) => ({ ordered: count }) }),
      ping: () => "pong" as const,
    },
  });
  type ShopClient = Client<typeof shop>;

  test("are those of its service's handlers", () => {
    expect(shop.methods.size).toBe(3);
    expectTypeOf<ShopClient["price"]>().parameter(0).toEqualTypeOf<{ readonly item: string }>();
    expectTypeOf<ShopClient["price"]>().returns.resolves.toEqualTypeOf<number>();
    expectTypeOf<ShopClient["order"]>().parameter(0).toEqualTypeOf<number>();
    expectTypeOf<ShopClient["order"]>().returns.resolves.toEqualTypeOf<{ ordered: number }>();
    expectTypeOf<ShopClient["ping"]>().toBeCallableWith();
    expectTypeOf<ShopClient["ping"]>().returns.resolves.toEqualTypeOf<"pong">();
  });

  test("refuse a wrong body and an unknown method", () => {
    const misuse = (client: ShopClient): unknown[] => [
      // @ts-expect-error a number is no { item }
      client.price(1),
      // @ts-expect-error no such method
      client.call("prize", { item: "x" }),
      client.call("price", { item: "x" }, { deadlineMs: 5 }),
    ];
    expect(misuse).toBeTypeOf("function");
  });
});

describe("a client's types of streams and topics", () => {
  const feed = service("feed", {
    topics: { sold: unchecked<{ item: string }>(), price: unchecked<number>() },
    methods: {
      count: method({
        stream: "out",
        async *handler({ from }: { from: number }) {
          yield from;
          return "done" as const;
        },
      }),
      now: { stream: "out", handler: () => [1, 2, 3] },
      sum: method({
        stream: "in",
        input: numberSchema,
        handler: async (items) => {
          let total = 0;
          for await (const item of items) total += item;
          return { total };
        },
      }),
      shout: method({
        stream: "both",
        async *handler(items: AsyncIterable<string>) {
          let count = 0;
          for await (const item of items) {
            count++;
            yield item.toUpperCase();
          }
          return count;
        },
      }),
      echo: (body: string) => body,
    },
  });
  type FeedClient = Client<typeof feed>;

  test("are those of its handlers: what goes in, what comes out, what it ends with", () => {
    expect(feed.methods.get("count")).toMatchObject({ stream: "out", endless: false });
    const use = (client: FeedClient): void => {
      const count = client.stream("count", { from: 1 });
      expectTypeOf(count).toEqualTypeOf<ItemStream<number, "done">>();
      expectTypeOf(client.stream("now").next()).resolves.toEqualTypeOf<IteratorResult<number, undefined>>();
      const sum = client.stream("sum", [1, 2]);
      expectTypeOf(sum).toEqualTypeOf<StreamHandle<{ total: number }>>();
      const shout = client.stream("shout", ["a"], { deadlineMs: 5 });
      expectTypeOf(shout).toEqualTypeOf<ItemStream<string, number>>();
      expectTypeOf(client.call("echo", "x")).resolves.toEqualTypeOf<string>();
    };
    expect(use).toBeTypeOf("function");
  });

  test("refuse a call of a stream, a stream of a call, and wrong items", () => {
    const misuse = (client: FeedClient): unknown[] => [
      // @ts-expect-error count is a stream
      client.call("count", { from: 1 }),
      // @ts-expect-error count is a stream
      client.count,
      // @ts-expect-error echo is no stream
      client.stream("echo", "x"),
      // @ts-expect-error sum takes numbers
      client.stream("sum", ["x"]),
      // @ts-expect-error sum takes items
      client.stream("sum", 1),
      // @ts-expect-error count takes { from }
      client.stream("count", {}),
      // @ts-expect-error no such topic
      client.subscribe("slod"),
    ];
    expect(misuse).toBeTypeOf("function");
  });

  test("of events are those of the topics, told apart by `topic`", () => {
    const use = async (client: FeedClient): Promise<void> => {
      for await (const message of client.subscribe(["sold", "price"])) {
        if (message.topic === "sold") expectTypeOf(message.event).toEqualTypeOf<{ item: string }>();
        else expectTypeOf(message.event).toEqualTypeOf<number>();
      }
    };
    expect(use).toBeTypeOf("function");
  });

  test("of a contract are the same on both sides", () => {
    const contract = {
      name: "feed",
      topics: { price: unchecked<number>() },
      methods: {
        count: { stream: "out", input: unchecked<{ from: number }>(), output: numberSchema },
        sum: { stream: "in", input: numberSchema, output: numberSchema },
      },
    } satisfies Contract;
    const made = service(contract, {
      async *count({ from }) {
        yield from;
      },
      sum: async (items) => {
        let total = 0;
        for await (const item of items) total += item;
        return total;
      },
    });
    expect(made.methods.get("sum")).toMatchObject({ stream: "in", input: numberSchema });
    expect([...made.topics.keys()]).toEqual(["price"]);
    const use = (client: Client<typeof contract>): void => {
      expectTypeOf(client.stream("count", { from: 1 })).toEqualTypeOf<ItemStream<number>>();
      expectTypeOf(client.stream("sum", [1]).result).resolves.toEqualTypeOf<number>();
      // @ts-expect-error sum is a stream
      void client.call("sum", 1);
      expectTypeOf(client.subscribe("price").missed).toEqualTypeOf<number>();
    };
    expect(use).toBeTypeOf("function");
  });

  test.each([
    [
      "a stream of an unknown kind",
      () => service("a", { methods: { a: { stream: "up" as never, handler: () => 1 } } }),
    ],
    ["a method that begins with $", () => service("a", { methods: { $ping: () => 1 } })],
    ["a topic without a schema", () => service("a", { topics: { a: true as never }, raw: (frames) => frames })],
    ["a topic that begins with $", () => service("a", { topics: { $a: unchecked() }, raw: (frames) => frames })],
    ["no room for a stream", () => service("a", { streamsMax: 0, raw: (frames) => frames })],
  ])("%s is refused at once", (_name, define) => {
    expect(define).toThrow(expect.objectContaining({ code: "SERVICE_DEFINITION_INVALID" }));
  });
});
