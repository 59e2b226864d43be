// What `wherry describe` says of a schema: one short text, whatever the library and however deep or endless the schema.
import { type } from "arktype";
import { expect, test } from "vitest";
import { z } from "zod";
import { schemaText } from "./schema-text.ts";

const text = (schema: Readonly<Record<string, unknown>>): string => schemaText({ vendor: "zod", schema });
const ofZod = (schema: z.ZodType): string => text(z.toJSONSchema(schema));

test.each([
  [z.object({ count: z.number().int(), note: z.string().optional() }), "{ count: integer, note?: string }"],
  [z.array(z.union([z.string(), z.number()])), "(string | number)[]"],
  [z.enum(["a", "b"]), '"a" | "b"'],
  [z.literal(5), "5"],
  [z.record(z.string(), z.boolean()), "{ [name]: boolean }"],
  [z.object({}), "object"],
  [z.null(), "null"],
])("a schema reads as a type", (schema, expected) => {
  expect(ofZod(schema)).toBe(expected);
});

test("of another library too; of one that can't say, its name; and never without an end", () => {
  expect(text(type({ a: "number", "b?": "string" })["~standard"].jsonSchema.input({ target: "draft-2020-12" }))).toBe(
    "{ a: number, b?: string }",
  );
  expect(schemaText({ vendor: "valibot", schema: {} })).toBe("(valibot)");
  expect(schemaText({ vendor: "wherry", schema: {} })).toBe("any");
  const deep = { type: "array", items: {} };
  deep.items = deep;
  expect(text(deep)).toBe("…[][][][][]");
  expect(text({ enum: Array.from({ length: 1000 }, (_, index) => index) })).toMatch(/^0 \| 1.*…$/);
});
