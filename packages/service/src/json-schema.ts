// What a validator takes and gives, as JSON Schema (draft 2020-12), where its library can say so: those that speak Standard
// JSON Schema (https://standardschema.dev/json-schema) do, among them zod 4 and arktype. Imports no such library.
import type { Schema } from "./schema.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

interface Converter {
  readonly input: (options: { readonly target: string }) => JsonSchema;
  readonly output: (options: { readonly target: string }) => JsonSchema;
}

/**
 * @param side what goes into the validator, or what comes out of it
 * @returns undefined where the library, or this schema, has no JSON Schema: a validator that is code, a date, a bigint.
 */
export function jsonSchemaOf(schema: Schema | undefined, side: "input" | "output"): JsonSchema | undefined {
  const { jsonSchema } = (schema?.["~standard"] ?? {}) as { readonly jsonSchema?: Converter };
  if (jsonSchema === undefined) return undefined;
  try {
    const schema = jsonSchema[side]({ target: "draft-2020-12" });
    return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== "$schema"));
  } catch {
    // The libraries throw for what JSON Schema cannot say.
    return undefined;
  }
}
