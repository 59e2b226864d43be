// One contract, two sides: what the compiler and the wire say, with each schema library as it is.
import { type } from "arktype";
import * as v from "valibot";
import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { connect } from "./client/connect.ts";
import type { Client, ConnectOptions } from "./client/types.ts";
import { type Contract, type ContractHandlers, isErrorOf, type MethodContract } from "./contract.ts";
import { type RequestFate, ServiceError } from "./errors.ts";
import { type Serving, serve } from "./server/serve.ts";
import { service } from "./define.ts";

const shop = {
  name: "shop",
  version: "1.4.0",
  methods: {
    buy: {
      input: z.object({ count: z.number().int().positive(), note: z.string().default("") }),
      output: z.number(),
      errors: { SOLD_OUT: z.object({ left: z.number() }), CLOSED_TODAY: null },
      keyed: true,
    },
    stock: { output: z.number(), idempotent: true },
    since: {
      input: z.string().transform((text) => new Date(text)),
      output: z.date().transform((date) => date.getTime()),
    },
    anything: {},
  },
} satisfies Contract;

let left = 2;
const handlers: ContractHandlers<typeof shop> = {
  buy: ({ count, note }, context) => {
    if (note === "closed")
      throw context.error("CLOSED_TODAY", "expected a working day, got Sunday; come back tomorrow");
    if (count > left) throw context.error("SOLD_OUT", `expected ${count} in stock, found ${left}`, { left });
    return (left -= count);
  },
  stock: () => left,
  since: (date) => new Date(date.getTime() + 1),
  anything: () => ({ some: "thing" }),
};

let serving: Serving[] = [];
let clients: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all(serving.map(({ server }) => server.close()));
  [serving, clients] = [[], []];
  left = 2;
});

async function clientOf<const C extends Contract>(
  contract: C,
  served: Parameters<typeof serve>[0],
  options: ConnectOptions<C> = {},
): Promise<Client<C>> {
  const started = await serve(served);
  const client = connect(contract, { endpoints: [started.endpoint], ...options });
  serving.push(started);
  clients.push(client);
  return client;
}

describe("a contract", () => {
  test("types and validates both sides, with transforms", async () => {
    const client = await clientOf(shop, service(shop, handlers));
    expectTypeOf(client.buy).parameter(0).toEqualTypeOf<{ count: number; note?: string | undefined }>();
    expectTypeOf(client.buy).returns.resolves.toEqualTypeOf<number>();
    expectTypeOf(client.stock).toBeCallableWith();
    expectTypeOf(client.since).parameter(0).toEqualTypeOf<string>();
    expectTypeOf(client.since).returns.resolves.toEqualTypeOf<number>();
    expectTypeOf(client.anything).returns.resolves.toEqualTypeOf<unknown>();
    expect(await client.stock()).toBe(2);
    expect(await client.buy({ count: 1 })).toBe(1);
    expect(await client.call("buy", { count: 1, note: "gift" }, { deadlineMs: 1000 })).toBe(0);
    expect(await client.since("1970-01-01T00:00:01Z")).toBe(1001);
    expect(await client.anything()).toEqual({ some: "thing" });
  });

  test("its errors arrive with their code and details, and nothing else passes for one", async () => {
    const client = await clientOf(shop, service(shop, handlers));
    const soldOut: unknown = await client.buy({ count: 3 }).catch((error: unknown) => error);
    if (!isErrorOf(shop.methods.buy, soldOut)) throw new Error("expected an error of the contract", { cause: soldOut });
    if (soldOut.code !== "SOLD_OUT") throw new Error("expected SOLD_OUT", { cause: soldOut });
    expectTypeOf(soldOut.details).toEqualTypeOf<{ left: number }>();
    expect(soldOut.details.left).toBe(2);
    expectTypeOf(soldOut.fate).toEqualTypeOf<RequestFate>();
    const closed = await client.buy({ count: 1, note: "closed" }).catch((error: unknown) => error);
    expect(isErrorOf(shop.methods.buy, closed) && closed.code).toBe("CLOSED_TODAY");
    const late = new ServiceError("DEADLINE_EXCEEDED", "late");
    expect(isErrorOf(shop.methods.buy, late)).toBe(true);
    expect(isErrorOf(shop.methods.stock, soldOut)).toBe(false);
    expect(isErrorOf(shop.methods.buy, new ServiceError("SOLD_OUT", "", { details: { left: "two" } }))).toBe(false);
    expect(isErrorOf(shop.methods.buy, new Error("SOLD_OUT"))).toBe(false);
  });

  test("details that the contract refuses are a bug, and never reach a caller", async () => {
    const endings: (Error | undefined)[] = [];
    const careless = service(shop, {
      ...handlers,
      buy: () => {
        throw new ServiceError("SOLD_OUT", "none left", { details: { left: "none" } });
      },
    });
    const started = await serve(careless, { onCrash: ({ error }) => endings.push(error) });
    serving.push(started);
    const client = connect(shop, { endpoints: [started.endpoint] });
    clients.push(client);
    await expect(client.buy({ count: 1 })).rejects.toMatchObject({ code: "ABORTED" });
    expect(endings).toEqual([expect.objectContaining({ code: "SERVICE_ERROR_INVALID" })]);
  });

  test("a body for a method that takes none is refused", async () => {
    const client = await clientOf(shop, service(shop, handlers));
    // @ts-expect-error stock takes no body
    await expect(client.stock({ of: "books" })).rejects.toMatchObject({ code: "INVALID", fate: "answered" });
    await expect(client.call("stock", null as unknown as undefined)).resolves.toBe(2);
  });

  test("a mistake of the caller fails at the caller, if it says so, and is not sent", async () => {
    const client = await clientOf(shop, service(shop, handlers), { checkBodies: true });
    await expect(client.buy({ count: -1 })).rejects.toMatchObject({
      code: "INVALID",
      fate: "not-started",
      message: expect.stringContaining("body of shop.buy: count"),
    });
    // @ts-expect-error no such method
    await expect(client.call("sell", {})).rejects.toMatchObject({ code: "NOT_FOUND", fate: "not-started" });
    expect(client.counters.calls).toBe(0);
    expect(await client.since("1970-01-01T00:00:00Z")).toBe(1);
  });

  test("a handler too few or too many does not compile, and is refused", () => {
    const { buy, ...others } = handlers;
    // @ts-expect-error buy is missing
    expect(() => service(shop, others)).toThrow(
      /handlers: expected one for each method of the contract, got "none for buy"/,
    );
    // @ts-expect-error sell is not in the contract
    expect(() => service(shop, { buy, ...others, sell: () => 1 })).toThrow(
      /none but the contract's methods, got "sell"/,
    );
  });

  test("a wrong handler, error or body does not compile", () => {
    const misuse = (client: Client<typeof shop>): unknown[] => [
      // @ts-expect-error the count is a number
      client.buy({ count: "two" }),
      // @ts-expect-error the reply is a number
      service(shop, { ...handlers, stock: () => "two" }),
      service(shop, {
        ...handlers,
        buy: (_body, context) => {
          // @ts-expect-error no such error
          if (left === 0) throw context.error("NONE", "none");
          // @ts-expect-error details are missing
          throw context.error("SOLD_OUT", "none left");
        },
      }),
    ];
    expect(misuse).toBeTypeOf("function");
  });

  test("codes of the framework cannot be a contract's own", () => {
    const mine = { name: "mine", methods: { work: { errors: { BUSY: null } } } } satisfies Contract;
    expect(() => service(mine, { work: () => 1 })).toThrow(
      /methods.work.errors: expected codes .* none of the framework's/,
    );
  });
});

describe("the same contract in each library", () => {
  const libraries: Record<string, { readonly name: string; readonly methods: { readonly add: MethodContract } }> = {
    zod: { name: "sum", methods: { add: { input: z.object({ a: z.number(), b: z.number() }), output: z.number() } } },
    valibot: {
      name: "sum",
      methods: { add: { input: v.object({ a: v.number(), b: v.number() }), output: v.number() } },
    },
    arktype: { name: "sum", methods: { add: { input: type({ a: "number", b: "number" }), output: type("number") } } },
  };

  test.each(Object.entries(libraries))("%s", async (_library, contract) => {
    const add = ((body: { a: number; b: number }) => body.a + body.b) as never;
    const client = await clientOf(contract, service(contract, { add }));
    const call = (method: string, body: unknown): Promise<unknown> => client.call(method as "add", body as undefined);
    expect(await call("add", { a: 1, b: 2 })).toBe(3);
    await expect(call("add", { a: 1, b: "2" })).rejects.toMatchObject({ code: "INVALID", message: /b/ });
    await expect(call("add", undefined)).rejects.toMatchObject({ code: "INVALID" });
  });

  test("types follow from each", () => {
    const sum = {
      name: "sum",
      methods: {
        valibot: { input: v.object({ a: v.pipe(v.string(), v.transform(Number)) }), output: v.number() },
        arktype: { input: type({ a: "string.numeric.parse" }), output: type("number") },
      },
    } satisfies Contract;
    const served = service(sum, {
      valibot: ({ a }) => a + 1,
      arktype: { trust: "internal", handler: async ({ a }) => a + 1 },
    });
    expect(served.methods.get("arktype")?.trust).toBe("internal");
    type Sum = Client<typeof sum>;
    expectTypeOf<Sum["valibot"]>().parameter(0).toEqualTypeOf<{ a: string }>();
    expectTypeOf<Sum["arktype"]>().parameter(0).toEqualTypeOf<{ a: string }>();
    expectTypeOf<Sum["arktype"]>().returns.resolves.toEqualTypeOf<number>();
    expectTypeOf<Client<typeof served>["valibot"]>().parameter(0).toEqualTypeOf<{ a: string }>();
  });
});

describe("middleware of a client", () => {
  test("stands around each call, the first outermost; it may change, answer and handle", async () => {
    const story: string[] = [];
    const client = await clientOf(shop, service(shop, handlers), {
      use: [
        async (call, next) => {
          story.push(`> ${call.service}.${call.method}`);
          try {
            return await next();
          } catch (error) {
            return `handled ${(error as ServiceError).code}`;
          } finally {
            story.push("<");
          }
        },
        (call, next) => (call.method === "anything" ? "answered here" : next()),
        ({ body, method }, next) => (method === "buy" ? next({ body: { ...(body as object), count: 2 } }) : next()),
      ],
    });
    expect(await client.buy({ count: 1 })).toBe(0);
    expect(await client.buy({ count: 1 })).toBe("handled SOLD_OUT");
    expect(await client.anything()).toBe("answered here");
    expect(client.counters.calls).toBe(2);
    expect(story).toEqual(["> shop.buy", "<", "> shop.buy", "<", "> shop.anything", "<"]);
  });
});
