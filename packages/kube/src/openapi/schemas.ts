// Definitions as OpenAPI schemas, with Kubernetes' extensions: what kinds they are, and how their lists merge
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy). Pure data, made anew on each call.
import { constants } from "../defaults/table.ts";
import { type Field, type FieldType, fieldsOf, type ScalarName } from "../schema/field-types.ts";
import { atomicMaps, atomicStructs, listRule } from "../schema/lists.ts";
import type { Json } from "../types/index.ts";
import { allowedValues } from "../validate/rules.ts";
import { fieldDescriptions, typeDescriptions } from "./descriptions.ts";
import { type GroupVersionKind, kindsOf, scalarNames, schemaName } from "./names.ts";

export type OpenApiVersion = "v2" | "v3";
export type Schema = { [key: string]: unknown };

/** Where definitions are: `#/definitions/` or `#/components/schemas/`. */
export const refTo = (version: OpenApiVersion, name: string): Schema => ({
  $ref: `${version === "v2" ? "#/definitions/" : "#/components/schemas/"}${name}`,
});

const primitives: { readonly [name in ScalarName]?: Schema } = {
  boolean: { type: "boolean" },
  byte: { type: "string", format: "byte" },
  double: { type: "number", format: "double" },
  int32: { type: "integer", format: "int32" },
  int64: { type: "integer", format: "int64" },
  string: { type: "string" },
};

function typeSchema(version: OpenApiVersion, type: FieldType): Schema {
  switch (type.is) {
    case "list":
      return { type: "array", items: typeSchema(version, type.of) };
    case "map":
      return { type: "object", additionalProperties: typeSchema(version, type.of) };
    case "definition":
      return refTo(version, schemaName(type.name));
    case "scalar": {
      const primitive = primitives[type.name];
      if (primitive !== undefined) return { ...primitive };
      // The one field of any shape is ManagedFieldsEntry.fieldsV1.
      if (type.name === "any") return refTo(version, scalarNames.FieldsV1);
      return refTo(version, scalarNames[type.name as keyof typeof scalarNames]);
    }
  }
}

function mergeExtensions(definition: string, { name, type }: Field): Schema {
  const rule = listRule(definition, name);
  const extensions: Schema = {};
  if (type.is === "list") extensions["x-kubernetes-list-type"] = rule?.listType ?? "atomic";
  if (type.is === "map" && atomicMaps[definition]?.includes(name) === true)
    extensions["x-kubernetes-map-type"] = "atomic";
  if (rule?.listType === "map" && rule.mapKeys !== undefined) extensions["x-kubernetes-list-map-keys"] = rule.mapKeys;
  if (rule?.mergeKey !== undefined) extensions["x-kubernetes-patch-merge-key"] = rule.mergeKey;
  const strategies = [
    ...(rule?.merge === true ? ["merge"] : []),
    ...(rule?.retainKeys === true ? ["retainKeys"] : []),
    ...(rule?.whole === true ? ["replace"] : []),
  ];
  if (strategies.length > 0) extensions["x-kubernetes-patch-strategy"] = strategies.join(",");
  return extensions;
}

const at = <T>(table: { readonly [key: string]: T }, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

function fieldSchema(version: OpenApiVersion, definition: string, field: Field): Schema {
  const description = at(fieldDescriptions, `${definition}.${field.name}`);
  const fallback = at(at<{ readonly [field: string]: Json }>(constants, definition) ?? {}, field.name);
  const allowed = at(at<{ readonly [field: string]: readonly string[] }>(allowedValues, definition) ?? {}, field.name);
  const plain = typeSchema(version, field.type);
  const extras: Schema = {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined || typeof fallback === "object" ? {} : { default: fallback }),
    ...(allowed === undefined ? {} : { enum: allowed.filter((value) => value !== "") }),
    ...mergeExtensions(definition, field),
  };
  if (!("$ref" in plain) || Object.keys(extras).length === 0) return { ...plain, ...extras };
  // What stands beside a $ref is ignored by readers of v3, hence allOf; v2 takes both.
  return version === "v3" ? { allOf: [plain], ...extras } : { ...plain, ...extras };
}

const kindExtension = (all: readonly GroupVersionKind[]): Schema =>
  all.length === 0 ? {} : { "x-kubernetes-group-version-kind": all };

function definitionSchema(version: OpenApiVersion, definition: string): Schema {
  const properties: Schema = {};
  const required: string[] = [];
  for (const field of fieldsOf(definition).values()) {
    properties[field.name] = fieldSchema(version, definition, field);
    if (field.required) required.push(field.name);
  }
  const description = at(typeDescriptions, definition);
  return {
    ...(description === undefined ? {} : { description }),
    type: "object",
    ...(required.length === 0 ? {} : { required }),
    properties,
    ...(atomicStructs.has(definition) ? { "x-kubernetes-map-type": "atomic" } : {}),
    ...kindExtension(kindsOf(definition)),
  };
}

const scalarSchemas = (version: OpenApiVersion): { [name: string]: Schema } => ({
  [scalarNames.FieldsV1]: { type: "object" },
  [scalarNames.IntOrString]:
    version === "v2"
      ? { type: "string", format: "int-or-string" }
      : { oneOf: [{ type: "integer" }, { type: "string" }], format: "int-or-string" },
  [scalarNames.MicroTime]: { type: "string", format: "date-time" },
  [scalarNames.Patch]: { type: "object" },
  [scalarNames.Quantity]: version === "v2" ? { type: "string" } : { oneOf: [{ type: "string" }, { type: "number" }] },
  [scalarNames.Time]: { type: "string", format: "date-time" },
});

function listSchema(version: OpenApiVersion, definition: string): Schema {
  return {
    type: "object",
    required: ["items"],
    properties: {
      apiVersion: { type: "string" },
      items: { type: "array", items: refTo(version, schemaName(definition)) },
      kind: { type: "string" },
      metadata: refTo(version, schemaName("ListMeta")),
    },
    ...kindExtension(kindsOf(definition).map((one) => ({ ...one, kind: `${one.kind}List` }))),
  };
}

/** Every definition that is reached from `roots`. */
function reachable(roots: readonly string[]): string[] {
  const queue = [...roots];
  const seen = new Set(queue);
  for (let definition = queue.shift(); definition !== undefined; definition = queue.shift())
    for (const { type } of fieldsOf(definition).values()) {
      let inner = type;
      while (inner.is === "list" || inner.is === "map") inner = inner.of;
      if (inner.is !== "definition" || seen.has(inner.name)) continue;
      seen.add(inner.name);
      queue.push(inner.name);
    }
  return [...seen].toSorted();
}

/** The schemas of these definitions, of their lists (for `lists`), and of all that they reach. */
export function schemasOf(
  version: OpenApiVersion,
  roots: readonly string[],
  lists: readonly string[],
): { [name: string]: Schema } {
  const schemas: { [name: string]: Schema } = scalarSchemas(version);
  for (const definition of reachable([...roots, ...lists, "ListMeta"]))
    schemas[schemaName(definition)] = definitionSchema(version, definition);
  for (const definition of lists) schemas[`${schemaName(definition)}List`] = listSchema(version, definition);
  return Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
