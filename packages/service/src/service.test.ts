import { describe, expect, expectTypeOf, test } from "vitest";
import type { Client } from "./client/types.ts";
import type { Schema } from "./schema.ts";
import { method, type RequestContext, service } from "./service.ts";

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
    ["a method name with a space", () => service("echo", { methods: { "a b": () => 1 } }), /methods: expected a name/],
    [
      "a method that is no function",
      () => service("echo", { methods: { a: 1 as never } }),
      /methods.a: expected a function/,
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
