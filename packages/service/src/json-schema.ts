// What a validator takes and gives, as JSON Schema (draft 2020-12), where its library can say so: those that speak Standard
// JSON Schema (https://standardschema.dev/json-schema) do, among them zod 4 and arktype. Imports no such library.
import type { Schema } from "./schema.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

interface Converter {
  readonly input: (options: { readonly target: string }) => JsonSchema;
  readonly output: (options: { readonly target: string }) => JsonSchema;
}

/** As made for one schema and side; null where there is none. Requests with parameters ask for it each time. */
const made = { input: new WeakMap<Schema, JsonSchema | null>(), output: new WeakMap<Schema, JsonSchema | null>() };

/**
 * @param side what goes into the validator, or what comes out of it
 * @returns the same one each time; undefined where the library, or this schema, has no JSON Schema: a validator that is code, a date, a bigint.
 */
export function jsonSchemaOf(schema: Schema | undefined, side: "input" | "output"): JsonSchema | undefined {
  if (schema === undefined) return undefined;
  let known = made[side].get(schema);
  if (known === undefined) {
    known = converted(schema, side) ?? null;
    made[side].set(schema, known);
  }
  return known ?? undefined;
}

function converted(validator: Schema, side: "input" | "output"): JsonSchema | undefined {
  const { jsonSchema } = validator["~standard"] as { readonly jsonSchema?: Converter };
  if (jsonSchema === undefined) return undefined;
  try {
    const schema = jsonSchema[side]({ target: "draft-2020-12" });
    return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== "$schema"));
  } catch {
    // The libraries throw for what JSON Schema cannot say.
    return undefined;
  }
}
