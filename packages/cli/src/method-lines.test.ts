// What `wherry describe` says of a method, to someone whose terminal has 80 columns or fewer.
import type { MethodDescription } from "@wherry/service";
import fc from "fast-check";
import { expect, test } from "vitest";
import { methodLines } from "./method-lines.ts";

const plain = { trust: "external", idempotent: false, keyed: false } as const;
const wide = { columns: 80, http: true };
const schemaOf = (properties: object, required: readonly string[] = Object.keys(properties)) => ({
  vendor: "zod",
  schema: { type: "object", properties, required },
});
const number = { vendor: "zod", schema: { type: "number" } };

test.each([
  [plain, "any → any"],
  [{ ...plain, keyed: true, idempotent: true }, "any → any  idempotent, keyed"],
  [
    { ...plain, trust: "internal", stream: "out", endless: true } as const,
    "any → any, …  stream out, endless, internal",
  ],
  // Durable methods are keyed, whether it is said or not, and what their handlers return is not what their callers get.
  [
    { ...plain, output: number, keyed: true, durable: { broker: "nats", redeliveriesMax: 5, maxRunMs: 1 } } as const,
    "any → { id: string, duplicate: boolean }  durable (nats, 5 redeliveries)",
  ],
  [
    { ...plain, keyed: true, durable: { redeliveriesMax: 1, maxRunMs: 1 } },
    "any → { id: string, duplicate: boolean }  durable (1 redelivery)",
  ],
  // A contract's method without an argument takes none.
  [{ ...plain, input: { vendor: "wherry", schema: { type: "null" } }, output: number }, "nothing → number"],
] satisfies [MethodDescription, string][])(
  "one line says what a method takes, gives and promises: %o",
  (method, line) => {
    expect(methodLines({ buy: method }, wide)).toEqual([`buy  ${line}`]);
  },
);

const shop: Record<string, MethodDescription> = {
  buy: {
    ...plain,
    ...{ keyed: true, input: schemaOf({ count: { type: "number" } }), output: number, http: ["POST /buy"] },
    errors: { SOLD_OUT: schemaOf({ left: { type: "number" } }), CLOSED_TODAY: null },
  },
  stock: {
    ...plain,
    ...{ idempotent: true, output: number, http: ["GET /stock/{item}", "POST /stock"] },
    input: schemaOf({ item: { type: "string" }, at: { type: "number" } }, ["item"]),
  },
};

test("HTTP addresses, with what goes into the query, and a contract's errors are below it", () => {
  expect(methodLines(shop, wide)).toEqual([
    "buy    { count: number } → number              keyed",
    "         http    POST /buy",
    "         errors  SOLD_OUT { left: number }, CLOSED_TODAY",
    "stock  { item: string, at?: number } → number  idempotent",
    "         http    GET /stock/{item}?at=…, POST /stock",
  ]);
});

test("a service without an HTTP port is not said to have addresses, nor one that is too old to tell", () => {
  expect(methodLines(shop, { ...wide, http: false }).join("\n")).not.toContain("http");
  const { trust, idempotent, keyed, input, output } = shop["buy"]!;
  const old = { trust, idempotent, keyed, input: input!, output: output! };
  expect(methodLines({ buy: old }, wide)).toEqual(["buy  { count: number } → number  keyed"]);
});

test("what is too long for the terminal goes on in the next line, below where it began", () => {
  const text = { type: "string" };
  const long = schemaOf({ street: text, number: text, city: text, country: text, note: text });
  const order = { ...plain, keyed: true, input: long, output: long, errors: { NO_SUCH_PLACE: long } };
  expect(methodLines({ order, stock: { ...plain, idempotent: true } }, { columns: 60, http: true })).toEqual([
    "order  { street: string, number: string, city: string,",
    "           country: string, note: string }",
    "       → { street: string, number: string, city: string,",
    "           country: string, note: string }",
    "         keyed",
    "         errors  NO_SUCH_PLACE { street: string, number:",
    "                 string, city: string, country: string,",
    "                 note: string }",
    "stock  any → any  idempotent",
  ]);
});

test("no line is longer than the terminal, but for words that are", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 12 });
  const schema = fc.dictionary(word, fc.constant({ type: "number" }), { maxKeys: 8 }).map((of) => schemaOf(of));
  const described = fc.record({
    ...{ trust: fc.constant("external" as const), idempotent: fc.boolean(), keyed: fc.boolean() },
    ...{ input: schema, output: schema, errors: fc.dictionary(word, fc.option(schema)) },
    http: fc.array(word.map((path) => `POST /${path}`)),
  });
  fc.assert(
    fc.property(fc.dictionary(word, described), fc.integer({ min: 60, max: 120 }), (methods, columns) => {
      for (const line of methodLines(methods, { columns, http: true }))
        expect(line.length).toBeLessThanOrEqual(columns);
    }),
  );
});
