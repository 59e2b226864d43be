// A service's methods as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1): what `GET /openapi.json` answers. Schemas are
// those of the validators, as far as their library can say them; what it can't is any value. Pure.
import { noBody } from "../contract.ts";
import { type JsonSchema, jsonSchemaOf } from "../json-schema.ts";
import type { Schema } from "../schema.ts";
import type { Method, Service } from "../service.ts";
import { Router, type Route } from "./route.ts";

/** Enough of a document's form for who reads it here. */
export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string };
  readonly jsonSchemaDialect: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

/** Problem details, as problem.ts makes them. */
const problem: JsonSchema = {
  type: "object",
  description: "RFC 9457 problem details. `fate` says whether the request may have had its effect.",
  required: ["title", "status", "detail", "code", "fate", "retryable", "details"],
  properties: {
    title: { type: "string" },
    status: { type: "integer", minimum: 400, maximum: 599 },
    detail: { type: "string" },
    code: { type: "string", pattern: "^[A-Z][A-Z0-9_]{0,63}$" },
    fate: { enum: ["answered", "not-started", "maybe-executed"] },
    retryable: { type: "boolean" },
    retryAfterMs: { type: "integer", minimum: 0 },
    details: { type: "object" },
  },
};

const receipt: JsonSchema = {
  type: "object",
  description: "The broker has stored the call; the method runs later.",
  required: ["id", "duplicate"],
  properties: { id: { type: "string" }, duplicate: { type: "boolean" } },
};

/** @param shownTopics those that are read over HTTP */
export function openApi({ name, version, methods, topics }: Service, shownTopics: readonly string[]): OpenApiDocument {
  const schemas: Record<string, JsonSchema> = { Problem: problem };
  const paths: Record<string, Record<string, JsonSchema>> = {};
  const used = new Map<string, number>();
  for (const route of new Router(methods.values()).routes) {
    const count = (used.get(route.method.name) ?? 0) + 1;
    used.set(route.method.name, count);
    const id = count === 1 ? route.method.name : `${route.method.name}.${count}`;
    const path = (paths[route.path] ??= {});
    path[route.verb.toLowerCase()] = operation(route, id, schemas);
  }
  for (const topic of shownTopics)
    (paths[`/topics/${topic}`] ??= {})["get"] = subscription(topic, topics.get(topic), schemas);
  return {
    openapi: "3.1.0",
    info: { title: name, version: version === "" ? "0.0.0" : version },
    jsonSchemaDialect: "https://json-schema.org/draft/2020-12/schema",
    paths,
    components: { schemas },
  };
}

function operation(route: Route<Method>, id: string, schemas: Record<string, JsonSchema>): JsonSchema {
  const { method, segments, verb } = route;
  const { name, idempotent, keyed, trust, durable, stream, endless } = method;
  const takesItems = stream === "in" || stream === "both";
  const inPath = segments.flatMap((segment) => (typeof segment === "string" ? [] : [segment.parameter]));
  const input = method.input === noBody ? undefined : method.input;
  const schema = jsonSchemaOf(input, "input");
  const hasBody = verb !== "GET" && verb !== "DELETE" && method.input !== noBody;
  const inQuery = hasBody ? [] : Object.keys(propertiesOf(schema)).filter((property) => !inPath.includes(property));
  const parameters = [
    ...inPath.map((property) => parameter(property, "path", schema)),
    ...inQuery.map((property) => parameter(property, "query", schema)),
    ...(keyed ? [keyParameter] : []),
  ];
  return {
    operationId: id,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(takesItems ? { requestBody: itemsTaken(name, schema, schemas) } : {}),
    ...(hasBody && !takesItems ? { requestBody: bodyOf(name, input, schema, inPath, schemas) } : {}),
    responses: responses(method, input !== undefined || inPath.length > 0, schemas),
    "x-wherry": {
      ...{ idempotent, keyed, trust, durable: durable !== undefined },
      ...(stream === undefined ? {} : { stream, endless }),
    },
  };
}

const keyParameter = {
  name: "Idempotency-Key",
  in: "header",
  description: "The same for every attempt of one logical call: it takes effect once.",
  schema: { type: "string", minLength: 1, maxLength: 255 },
};

function parameter(name: string, where: "path" | "query", schema: JsonSchema | undefined): JsonSchema {
  const property = inlined(propertiesOf(schema)[name], schema);
  const required = where === "path" || requiredOf(schema).includes(name);
  return { name, in: where, required, schema: property ?? { type: "string" } };
}

function bodyOf(
  name: string,
  input: Schema | undefined,
  schema: JsonSchema | undefined,
  inPath: readonly string[],
  schemas: Record<string, JsonSchema>,
): JsonSchema {
  const json = schema === undefined ? {} : component(`${name}.input`, without(schema, inPath), schemas);
  const bytes = input === undefined ? { "application/octet-stream": {} } : {};
  return {
    required: input !== undefined && inPath.length === 0,
    content: { "application/json": { schema: json }, ...bytes },
  };
}

/** The rest of an object, when some of its properties come with the path. */
function without(schema: JsonSchema, names: readonly string[]): JsonSchema {
  if (names.length === 0) return schema;
  const properties = Object.entries(propertiesOf(schema)).filter(([name]) => !names.includes(name));
  const required = requiredOf(schema).filter((name) => !names.includes(name));
  return { ...schema, properties: Object.fromEntries(properties), required };
}

function responses(method: Method, takesInput: boolean, schemas: Record<string, JsonSchema>): JsonSchema {
  const { name, output, durable, errors } = method;
  const content = (schema: JsonSchema): JsonSchema => ({ content: { "application/json": { schema } } });
  const fault = (description: string, schema: JsonSchema = { $ref: "#/components/schemas/Problem" }): JsonSchema => ({
    description,
    content: { "application/problem+json": { schema } },
  });
  const result = jsonSchemaOf(output, "output");
  const ok =
    method.stream === "out" || method.stream === "both"
      ? { 200: itemsGiven(name, result, schemas) }
      : durable !== undefined
        ? { 202: { description: "Stored; it runs later.", ...content(receipt) } }
        : {
            200: {
              description: "The method's reply.",
              ...content(result === undefined ? {} : component(`${name}.output`, result, schemas)),
            },
            ...(output === undefined ? { 204: { description: "The method answered nothing." } } : {}),
          };
  const own = Object.entries(errors).map(([code, details]) => ownError(name, code, details, schemas));
  return {
    ...ok,
    ...(takesInput ? { 400: fault("INVALID: `details.issues` say what is wrong.") } : {}),
    ...(own.length === 0 ? {} : { 422: fault("The method's own errors, by `code`.", { oneOf: own }) }),
    503: fault("BUSY or REFUSED: it has not started; see Retry-After."),
    default: fault("Any other error."),
  };
}

function itemsTaken(name: string, schema: JsonSchema | undefined, schemas: Record<string, JsonSchema>): JsonSchema {
  const item = schema === undefined ? {} : component(`${name}.input`, schema, schemas);
  return { description: "The schema is that of each line.", content: { "application/x-ndjson": { schema: item } } };
}

/** OpenAPI 3.1 has no word for a sequence: the schema is that of each of its lines. */
function itemsGiven(name: string, schema: JsonSchema | undefined, schemas: Record<string, JsonSchema>): JsonSchema {
  const only = (key: string, value: JsonSchema): JsonSchema => ({
    type: "object",
    required: [key],
    properties: { [key]: value },
  });
  const item = schema === undefined ? {} : component(`${name}.output`, schema, schemas);
  const line = {
    oneOf: [only("item", item), only("done", {}), only("error", { $ref: "#/components/schemas/Problem" })],
  };
  return {
    description: "Items; at the end `done` with the stream's reply, or `error`. The schema is that of each line.",
    content: { "application/x-ndjson": { schema: line }, "text/event-stream": { schema: { type: "string" } } },
  };
}

function subscription(topic: string, schema: Schema | undefined, schemas: Record<string, JsonSchema>): JsonSchema {
  const event = jsonSchemaOf(schema, "output");
  if (event !== undefined) component(`${topic}.event`, event, schemas);
  return {
    operationId: `topics.${topic}`,
    responses: {
      200: {
        description: `What this pod publishes from now on${event === undefined ? "" : `; data: #/components/schemas/${topic}.event`}.`,
        content: { "text/event-stream": { schema: { type: "string" } } },
      },
    },
    "x-wherry": { topic },
  };
}

function ownError(name: string, code: string, details: Schema | null, schemas: Record<string, JsonSchema>): JsonSchema {
  const schema = details === null ? undefined : jsonSchemaOf(details, "output");
  const told = schema === undefined ? {} : { details: component(`${name}.${code}`, schema, schemas) };
  return { allOf: [{ $ref: "#/components/schemas/Problem" }, { properties: { code: { const: code }, ...told } }] };
}

/** Puts a schema among the components. @returns a reference to it */
function component(key: string, schema: JsonSchema, schemas: Record<string, JsonSchema>): JsonSchema {
  const place = `#/components/schemas/${key}`;
  schemas[key] = moved(schema, place) as JsonSchema;
  return { $ref: place };
}

/** A schema's references are relative to itself; in the document, to where it is put. */
function moved(value: unknown, place: string): unknown {
  if (Array.isArray(value)) return value.map((item) => moved(item, place));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    key === "$ref" && typeof item === "string" && item.startsWith("#") ? place + item.slice(1) : moved(item, place),
  ]);
  return Object.fromEntries(entries) as unknown;
}

/** A parameter's schema stands alone: what it refers to goes with it. */
function inlined(property: JsonSchema | undefined, schema: JsonSchema | undefined): JsonSchema | undefined {
  const reference = property?.["$ref"];
  if (property === undefined || typeof reference !== "string") return property;
  const [, key = ""] = /^#\/\$defs\/([^/]+)$/.exec(reference) ?? [];
  const target = (schema?.["$defs"] as Readonly<Record<string, JsonSchema>> | undefined)?.[key];
  return target === undefined || JSON.stringify(target).includes('"$ref"') ? {} : target;
}

function propertiesOf(schema: JsonSchema | undefined): Readonly<Record<string, JsonSchema>> {
  return (schema?.["properties"] ?? {}) as Readonly<Record<string, JsonSchema>>;
}

function requiredOf(schema: JsonSchema | undefined): readonly string[] {
  return (schema?.["required"] ?? []) as readonly string[];
}
