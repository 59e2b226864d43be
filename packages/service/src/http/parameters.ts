// From a path's and a query's texts to the body that a method takes: an object, its values typed where the method's schema says
// how. A text that is not of its type stays a text, so that it is the schema that refuses it. Pure.
import type { JsonSchema } from "../json-schema.ts";

/** Query parameters: one that comes several times, or whose schema is a list, is a list. */
export function bodyFromQuery(query: URLSearchParams, schema: JsonSchema | undefined): Map<string, unknown> {
  const body = new Map<string, unknown>();
  for (const name of new Set(query.keys())) {
    const texts = query.getAll(name);
    const property = propertyOf(schema, name);
    const list = texts.length > 1 || typesOf(property).includes("array");
    const item = list ? itemsOf(property) : property;
    const values = texts.map((text) => typed(text, item));
    body.set(name, list ? values : values[0]);
  }
  return body;
}

/** Path parameters, as `bodyFromQuery`. */
export function bodyFromPath(
  parameters: Readonly<Record<string, string>>,
  schema: JsonSchema | undefined,
): [string, unknown][] {
  return Object.entries(parameters).map(([name, text]) => [name, typed(text, propertyOf(schema, name))]);
}

/** A text as the first of its schema's types that it can be; a schema that takes texts gets the text. */
function typed(text: string, schema: JsonSchema | undefined): unknown {
  const types = typesOf(schema);
  if (types.includes("string")) return text;
  if ((types.includes("number") || types.includes("integer")) && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text))
    return Number(text);
  if (types.includes("boolean") && (text === "true" || text === "false")) return text === "true";
  if (types.includes("null") && text === "") return null;
  return text;
}

/** The schema of one property, looked for in the parts of an `allOf`, too. */
function propertyOf(schema: JsonSchema | undefined, name: string): JsonSchema | undefined {
  const properties = asSchema(schema?.["properties"]);
  const own = properties !== undefined && Object.hasOwn(properties, name) ? asSchema(properties[name]) : undefined;
  return (
    own ??
    partsOf(schema, "allOf").reduce<JsonSchema | undefined>((found, part) => found ?? propertyOf(part, name), undefined)
  );
}

function itemsOf(schema: JsonSchema | undefined): JsonSchema | undefined {
  return (
    asSchema(schema?.["items"]) ??
    asSchema(partsOf(schema, "anyOf").find((part) => part["type"] === "array")?.["items"])
  );
}

/** The types that a schema takes, by itself or in one of its alternatives. */
function typesOf(schema: JsonSchema | undefined): unknown[] {
  if (schema === undefined) return [];
  const { type, const: only, enum: some } = schema;
  const values = Array.isArray(some) ? (some as unknown[]) : only === undefined ? [] : [only];
  const own = type === undefined ? values.map((value) => (value === null ? "null" : typeof value)) : [type].flat();
  return [...own, ...["anyOf", "oneOf", "allOf"].flatMap((key) => partsOf(schema, key)).flatMap(typesOf)];
}

function partsOf(schema: JsonSchema | undefined, key: string): JsonSchema[] {
  const parts = schema?.[key];
  if (!Array.isArray(parts)) return [];
  return parts.map(asSchema).filter((part) => part !== undefined);
}

function asSchema(value: unknown): JsonSchema | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonSchema) : undefined;
}
