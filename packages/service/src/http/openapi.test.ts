// The OpenAPI document holds to the rules of OpenAPI 3.1: those are written down here, from its specification.
import { type } from "arktype";
import * as valibot from "valibot";
import { expect, test } from "vitest";
import { z } from "zod";
import type { Contract } from "../contract.ts";
import { method, service } from "../define.ts";
import { openApi } from "./openapi.ts";

type Node = Readonly<Record<string, unknown>>;

/** Everything in a document that OpenAPI 3.1 does not allow. */
function faults(document: Node): string[] {
  const found: string[] = [];
  const check = (holds: boolean, fault: string): void => {
    if (!holds) found.push(fault);
  };
  check(/^3\.1\.\d+$/.test(String(document["openapi"])), "openapi: 3.1.x");
  const info = document["info"] as Node;
  check(typeof info["title"] === "string" && typeof info["version"] === "string", "info: title and version");
  const ids = new Set<unknown>();
  for (const [path, item] of Object.entries(document["paths"] as Record<string, Record<string, Node>>)) {
    check(path.startsWith("/"), `${path}: starts with /`);
    const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    for (const [verb, operation] of Object.entries(item)) {
      const at = `${verb} ${path}`;
      check(["get", "post", "put", "patch", "delete"].includes(verb), `${at}: a verb`);
      check(!ids.has(operation["operationId"]), `${at}: operationId once`);
      ids.add(operation["operationId"]);
      const parameters = (operation["parameters"] ?? []) as Node[];
      const inPath = parameters.filter((parameter) => parameter["in"] === "path");
      check(JSON.stringify(inPath.map(({ name }) => name)) === JSON.stringify(names), `${at}: each path parameter`);
      check(
        inPath.every(({ required }) => required === true),
        `${at}: path parameters are required`,
      );
      const keys = parameters.map((parameter) => `${String(parameter["in"])} ${String(parameter["name"])}`);
      check(new Set(keys).size === keys.length, `${at}: parameters once`);
      for (const parameter of parameters)
        check("schema" in parameter !== "content" in parameter, `${at}: a parameter has a schema or content`);
      const body = operation["requestBody"] as Node | undefined;
      check(body === undefined || Object.keys(body["content"] as Node).length > 0, `${at}: a body has content`);
      check(body === undefined || (verb !== "get" && verb !== "delete"), `${at}: no body`);
      const responses = Object.entries(operation["responses"] as Record<string, Node>);
      check(responses.length > 0, `${at}: a response`);
      for (const [status, response] of responses) {
        check(/^([1-5]\d\d|default)$/.test(status), `${at}: status ${status}`);
        check(typeof response["description"] === "string", `${at}: ${status} has a description`);
      }
    }
  }
  const { schemas = {} } = document["components"] as { schemas?: Node };
  for (const key of Object.keys(schemas)) check(/^[a-zA-Z0-9._-]+$/.test(key), `components: key ${key}`);
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === "$ref") check(resolves(document, String(inner)), `$ref ${String(inner)} leads somewhere`);
      walk(inner);
    }
  };
  walk(document);
  return found;
}

function resolves(document: Node, reference: string): boolean {
  if (!reference.startsWith("#/")) return false;
  let at: unknown = document;
  for (const step of reference.slice(2).split("/")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return false;
    at = (at as Node)[step];
  }
  return true;
}

const category = z.object({
  name: z.string(),
  get parts() {
    return z.array(category);
  },
});

const shop = service("shop", {
  version: "1.4.0",
  methods: {
    stock: method({
      http: "GET /stock/{item}",
      input: z.object({ item: z.string(), at: z.number().optional() }),
      handler: () => 1,
    }),
    put: method({
      http: ["PUT /stock/{item}", "PATCH /stock/{item}"],
      input: type({ item: "string", count: "number" }),
      handler: () => 1,
    }),
    loose: method({ input: valibot.object({ a: valibot.number() }), handler: () => 1 }),
    tree: method({ input: category, output: category, keyed: true, handler: (body) => body }),
    plain: (body: unknown) => body,
    hidden: { trust: "internal", handler: () => 1 },
    later: method({ durable: true, input: z.object({ mail: z.string() }), handler: () => undefined }),
  },
});

test("a service's document breaks no rule of OpenAPI 3.1, and would be caught if it did", () => {
  const document = openApi(shop, []);
  expect(faults(JSON.parse(JSON.stringify(document)) as Node)).toEqual([]);
  const broken = JSON.parse(JSON.stringify(document).replaceAll("#/components/schemas/Problem", "#/nowhere")) as Node;
  expect(faults(broken)).not.toEqual([]);
});

test("it says what each method takes, gives, and where it is", () => {
  const { info, paths, components } = openApi(shop, []);
  expect(info).toEqual({ title: "shop", version: "1.4.0" });
  expect(Object.keys(paths)).toEqual(["/stock/{item}", "/loose", "/tree", "/plain", "/later"]);
  expect(paths["/stock/{item}"]?.["get"]).toMatchObject({
    operationId: "stock",
    parameters: [
      { name: "item", in: "path", required: true, schema: { type: "string" } },
      { name: "at", in: "query", required: false, schema: { type: "number" } },
    ],
  });
  expect(paths["/stock/{item}"]?.["put"]?.["requestBody"]).toMatchObject({
    content: { "application/json": { schema: { $ref: "#/components/schemas/put.input" } } },
  });
  expect(components.schemas["put.input"]).toEqual({
    type: "object",
    properties: { count: { type: "number" } },
    required: ["count"],
  });
  // valibot can't say it by itself: any value.
  expect(paths["/loose"]?.["post"]?.["requestBody"]).toMatchObject({ content: { "application/json": { schema: {} } } });
  expect(JSON.stringify(components.schemas["tree.input"])).toContain('"#/components/schemas/tree.input');
  expect(paths["/later"]?.["post"]?.["responses"]).toMatchObject({ 202: {} });
  expect(paths["/later"]?.["post"]?.["parameters"]).toMatchObject([{ name: "Idempotency-Key", in: "header" }]);
});

test("a contract's errors are there, with their details", () => {
  const contract = {
    name: "shop",
    methods: {
      buy: {
        input: z.object({ count: z.number() }),
        output: z.number(),
        errors: { SOLD_OUT: z.object({ left: z.number() }), CLOSED_TODAY: null },
      },
      stock: { output: z.number(), http: "GET /stock" },
    },
  } as const satisfies Contract;
  const document = openApi(service(contract, { buy: () => 1, stock: () => 1 }), []);
  expect(faults(JSON.parse(JSON.stringify(document)) as Node)).toEqual([]);
  const { post } = document.paths["/buy"] ?? {};
  expect(JSON.stringify(post?.["responses"])).toMatch(/"const":"SOLD_OUT".*"const":"CLOSED_TODAY"/);
  expect(document.components.schemas["buy.SOLD_OUT"]).toMatchObject({ properties: { left: { type: "number" } } });
  expect(document.paths["/stock"]?.["get"]).not.toHaveProperty("requestBody");
});

test("streams and topics are said, line by line", () => {
  const streaming = service("shop", {
    methods: {
      watch: {
        stream: "out",
        endless: true,
        http: "GET /watch",
        output: z.object({ item: z.string() }),
        handler: () => [],
      },
      sum: { stream: "in", input: z.number(), handler: () => 1 },
      both: { stream: "both", handler: () => [] },
    },
    topics: { price: z.number(), secret: z.number() },
  });
  const document = openApi(streaming, ["price"]);
  expect(faults(JSON.parse(JSON.stringify(document)) as Node)).toEqual([]);
  const { paths } = document;
  expect(Object.keys(paths)).toEqual(["/watch", "/sum", "/both", "/topics/price"]);
  expect(paths["/watch"]?.["get"]).toMatchObject({
    responses: {
      200: { content: { "application/x-ndjson": { schema: { oneOf: [{ required: ["item"] }, {}, {}] } } } },
    },
    "x-wherry": { stream: "out", endless: true },
  });
  expect(paths["/sum"]?.["post"]).toMatchObject({
    requestBody: { content: { "application/x-ndjson": { schema: { $ref: "#/components/schemas/sum.input" } } } },
  });
  expect(paths["/topics/price"]?.["get"]).toMatchObject({ "x-wherry": { topic: "price" } });
});
