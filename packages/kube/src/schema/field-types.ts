// The Go-like type texts of `definitions`, parsed once: `[]Container!` is a required list of the definition Container.
import { definitions } from "./generated/definitions.ts";

export type FieldType =
  | { readonly is: "list"; readonly of: FieldType }
  | { readonly is: "map"; readonly of: FieldType }
  /** A key of `definitions`. */
  | { readonly is: "definition"; readonly name: string }
  | { readonly is: "scalar"; readonly name: ScalarName };

export type ScalarName =
  | "string"
  | "boolean"
  | "int32"
  | "int64"
  | "double"
  | "byte"
  | "Quantity"
  | "Time"
  | "MicroTime"
  | "IntOrString"
  | "any";

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly required: boolean;
}

const scalars: ReadonlySet<string> = new Set([
  "string",
  "boolean",
  "int32",
  "int64",
  "double",
  "byte",
  "Quantity",
  "Time",
  "MicroTime",
  "IntOrString",
  "any",
] satisfies ScalarName[]);

const isScalar = (text: string): text is ScalarName => scalars.has(text);

function typeOf(text: string): FieldType {
  if (text.startsWith("[]")) return { is: "list", of: typeOf(text.slice(2)) };
  if (text.startsWith("map[string]")) return { is: "map", of: typeOf(text.slice("map[string]".length)) };
  return isScalar(text) ? { is: "scalar", name: text } : { is: "definition", name: text };
}

const parsed = new Map<string, ReadonlyMap<string, Field>>();
const noFields: ReadonlyMap<string, Field> = new Map();

/** The fields of a definition by name; empty for a definition that is not known. */
export function fieldsOf(definition: string): ReadonlyMap<string, Field> {
  const known = parsed.get(definition);
  if (known !== undefined) return known;
  if (!Object.hasOwn(definitions, definition)) return noFields;
  const fields = new Map<string, Field>();
  for (const [name, text] of Object.entries(definitions[definition] ?? {})) {
    const required = text.endsWith("!");
    fields.set(name, { name, type: typeOf(required ? text.slice(0, -1) : text), required });
  }
  parsed.set(definition, fields);
  return fields;
}

/** The definition of a field's value, of its items or of its map's values, if it is one. */
export function definitionBelow(definition: string | undefined, name: string): string | undefined {
  if (definition === undefined) return undefined;
  let type = fieldsOf(definition).get(name)?.type;
  while (type?.is === "list" || type?.is === "map") type = type.of;
  return type?.is === "definition" ? type.name : undefined;
}
