// What stands around a service's handlers: middleware, and the context that nested calls and loggers find by themselves.
import { silentLogger } from "@wherry/core";
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import type { Client } from "../client/types.ts";
import { currentContext } from "../current-context.ts";
import { ServiceError } from "../errors.ts";
import type { Schema } from "../schema.ts";
import { method, service } from "../define.ts";
import type { Middleware } from "../handler.ts";
import type { Service } from "../service.ts";
import { serve } from "./serve.ts";

declare module "../handler.ts" {
  interface RequestState {
    user?: string;
  }
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function clientOf<S extends Service>(served: S): Promise<Client<S>> {
  const { endpoint, server } = await serve(served, { log: silentLogger, onCrash: () => undefined });
  const client = connect<S>(served.name, { endpoints: [endpoint] });
  closing.push(
    () => server.close(),
    () => client.close(),
  );
  return client;
}

const positive: Schema<number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => (Number(value) > 0 ? { value: Number(value) } : { issues: [{ message: "not positive" }] }),
  },
};

describe("middleware", () => {
  test("stands around the handler and its schemas, the first outermost", async () => {
    const story: string[] = [];
    const telling =
      (name: string): Middleware =>
      async ({ service: of, method: called, body }, next) => {
        story.push(`${name} > ${of}.${called} ${String(body)}`);
        try {
          return await next();
        } catch (error) {
          story.push(`${name} ! ${(error as ServiceError).code}`);
          throw error;
        } finally {
          story.push(`${name} <`);
        }
      };
    const double = method({ input: positive, handler: (count: number) => count * 2 });
    const client = await clientOf(service("math", { methods: { double }, use: [telling("a"), telling("b")] }));
    expect(await client.double(2)).toBe(4);
    expect(story).toEqual(["a > math.double 2", "b > math.double 2", "b <", "a <"]);
    story.length = 0;
    await expect(client.double(-1)).rejects.toMatchObject({ code: "INVALID" });
    expect(story).toEqual(["a > math.double -1", "b > math.double -1", "b ! INVALID", "b <", "a ! INVALID", "a <"]);
  });

  test("answers, refuses, changes the body, and hands things to the handler", async () => {
    const use: Middleware[] = [
      ({ body, context }, next) => {
        if (body === "cached") return "from the cache";
        if (body === "forbidden") throw new ServiceError("FORBIDDEN", "not for you");
        context.state.user = "ada";
        return next({ body: `${String(body)}!` });
      },
    ];
    const greet = (body: string, { state }: { readonly state: { user?: string } }): string => `${body} ${state.user}`;
    const client = await clientOf(service("greet", { methods: { greet }, use }));
    expect(await client.greet("hello")).toBe("hello! ada");
    expect(await client.greet("cached")).toBe("from the cache");
    await expect(client.greet("forbidden")).rejects.toMatchObject({ code: "FORBIDDEN", fate: "answered" });
  });

  test("its bug is a bug of the service", async () => {
    const broken: Middleware = () => {
      throw new TypeError("bug");
    };
    const client = await clientOf(service("x", { methods: { x: () => 1 }, use: [broken] }));
    await expect(client.x()).rejects.toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
  });
});

test("several services run in one process, each under its own name", async () => {
  const stock = await clientOf(service("stock", { methods: { left: () => 2 } }));
  const buy = async (count: number): Promise<number> => (await stock.left()) - count;
  const shop = await clientOf(service("shop", { methods: { buy } }));
  expect(await shop.buy(1)).toBe(1);
  await expect(shop.call("left" as never, undefined as never)).rejects.toMatchObject({ code: "NOT_FOUND" });
});

describe("the current context", () => {
  test("is the request's, across awaits and callbacks, and each its own", async () => {
    const work = async (body: number): Promise<unknown> => {
      const before = currentContext()?.key;
      await new Promise((resolve) => setImmediate(resolve));
      return [body, before, currentContext()?.key];
    };
    const client = await clientOf(service("work", { concurrency: 10, methods: { work } }));
    const keys = Array.from({ length: 20 }, (_, index) => index);
    const results = await Promise.all(keys.map((body) => client.work(body, { key: `k${body}` })));
    expect(results).toEqual(keys.map((body) => [body, `k${body}`, `k${body}`]));
    expect(currentContext()).toBeUndefined();
  });

  test("is nobody's after the answer, in raw handlers, and where it is off", async () => {
    const afterwards = Promise.withResolvers<unknown>();
    const start = (): boolean => {
      setImmediate(() => afterwards.resolve(currentContext()));
      return currentContext() !== undefined;
    };
    const client = await clientOf(service("start", { methods: { start } }));
    expect(await client.start()).toBe(true);
    expect(await afterwards.promise).toBeUndefined();
    const off = await clientOf(
      service("off", { methods: { off: () => currentContext() === undefined }, ambient: false }),
    );
    expect(await off.off()).toBe(true);
  });

  test("gives nested calls its deadline and its cancellation, unless they say otherwise", async () => {
    const cancelled = Promise.withResolvers<boolean>();
    const back = await clientOf(
      service("back", {
        concurrency: 4,
        methods: {
          left: (_body: undefined, { remainingMs }) => remainingMs,
          wait: (_body: undefined, { signal }) =>
            new Promise((resolve) => {
              signal.addEventListener("abort", () => {
                cancelled.resolve(true);
                resolve(undefined);
              });
            }),
        },
      }),
    );
    const front = await clientOf(
      service("front", {
        concurrency: 4,
        methods: {
          nested: async () => [
            await back.left(undefined, { deadlineMs: 600_000 }),
            await back.left(undefined, { deadlineMs: 600_000, parent: null }),
          ],
          wait: () => back.wait(),
        },
      }),
    );
    const [inherited, own] = (await front.nested(undefined, { deadlineMs: 60_000 })) as [number, number];
    expect(inherited).toBeLessThanOrEqual(60_000);
    expect(own).toBeGreaterThan(60_000);
    const stop = new AbortController();
    const waiting = front.wait(undefined, { signal: stop.signal });
    waiting.catch(() => undefined);
    await front.nested();
    stop.abort();
    expect(await cancelled.promise).toBe(true);
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
