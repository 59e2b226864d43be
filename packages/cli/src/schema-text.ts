// A JSON Schema as one line that a reader of TypeScript understands. Not exact: what it can't say in short is left out.
import { cliLimits } from "./limits.ts";

type Json = Readonly<Record<string, unknown>>;

const depthMax = 4;

/** `{ count: number, note?: string }`; of a schema that says nothing, the name of its library; of `unchecked()`, `any`. */
export function schemaText({ vendor, schema }: { readonly vendor: string; readonly schema: Json }): string {
  const silent = vendor === "wherry" ? "any" : `(${vendor})`;
  const text = Object.keys(schema).length === 0 ? silent : typeText(schema, 0);
  return text.length > cliLimits.typeCharsMax ? `${text.slice(0, cliLimits.typeCharsMax - 1)}…` : text;
}

function typeText(schema: unknown, depth: number): string {
  if (schema === true || typeof schema !== "object" || schema === null) return "any";
  if (depth > depthMax) return "…";
  const json = schema as Json;
  const { type, properties, items, const: only } = json;
  const choices = json["enum"] ?? json["anyOf"] ?? json["oneOf"];
  if (only !== undefined) return JSON.stringify(only);
  if (Array.isArray(choices)) {
    const isEnum = json["enum"] !== undefined;
    return choices.map((each: unknown) => (isEnum ? JSON.stringify(each) : typeText(each, depth + 1))).join(" | ");
  }
  if (typeof json["$ref"] === "string") return json["$ref"].split("/").at(-1) ?? "any";
  if (Array.isArray(type)) return type.join(" | ");
  if (type === "array") return `${inner(typeText(items, depth + 1))}[]`;
  if (type === "object" || properties !== undefined) return objectText(json, depth);
  return typeof type === "string" ? type : "any";
}

/** Brackets around what would read otherwise before `[]`. */
function inner(text: string): string {
  return text.includes(" | ") ? `(${text})` : text;
}

function objectText({ properties, required, additionalProperties }: Json, depth: number): string {
  const needed = new Set(Array.isArray(required) ? required : []);
  const fields = Object.entries((properties ?? {}) as Json).map(
    ([name, value]) => `${name}${needed.has(name) ? "" : "?"}: ${typeText(value, depth + 1)}`,
  );
  if (fields.length > 0) return `{ ${fields.join(", ")} }`;
  if (typeof additionalProperties === "object") return `{ [name]: ${typeText(additionalProperties, depth + 1)} }`;
  return "object";
}
