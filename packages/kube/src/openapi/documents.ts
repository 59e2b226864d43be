// The OpenAPI documents of the API: `/openapi/v3` with its index, and `/openapi/v2`. kubectl reads them to explain kinds, to
// merge patches, and to learn whether the server validates fields. https://kubernetes.io/docs/concepts/overview/kubernetes-api/
import { createHash } from "node:crypto";
import { kinds } from "../schema/kinds.ts";
import { scalarNames, schemaName } from "./names.ts";
import { type Action, type Operation, operationsOf, rootOf } from "./operations.ts";
import { type OpenApiVersion, refTo, type Schema, schemasOf } from "./schemas.ts";

type Document = { [key: string]: unknown };

const json = "application/json";
/** What PATCH takes; server-side apply joins when it is served. */
const patchTypes = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
];

interface Parameter {
  readonly name: string;
  readonly type: "string" | "boolean" | "integer";
  readonly description: string;
}

const parameter = (name: string, type: Parameter["type"], description: string): Parameter => ({
  name,
  type,
  description,
});

const dryRun = parameter("dryRun", "string", "`All` runs every stage and stores nothing.");
const writing = [
  dryRun,
  parameter("fieldManager", "string", "Who makes the change."),
  parameter("fieldValidation", "string", "What to do about unknown and duplicate fields: Ignore, Warn or Strict."),
];
const force = parameter("force", "boolean", "Takes fields over from other managers (server-side apply only).");
const selecting = [
  parameter("labelSelector", "string", "Only objects with such labels."),
  parameter("fieldSelector", "string", "Only objects with such fields."),
  parameter("limit", "integer", "At most so many objects in one answer."),
  parameter("continue", "string", "Where the list before ended."),
  parameter("resourceVersion", "string", "How old the data may be."),
  parameter("resourceVersionMatch", "string", "How resourceVersion is meant: NotOlderThan or Exact."),
  parameter("timeoutSeconds", "integer", "When to end the call."),
];
const watching = [
  parameter("watch", "boolean", "Sends changes as they happen."),
  parameter("allowWatchBookmarks", "boolean", "Sends the current version now and then."),
  parameter("sendInitialEvents", "boolean", "Begins a watch with what exists."),
];
const deleting = [
  dryRun,
  parameter("gracePeriodSeconds", "integer", "How long the object may take to end."),
  parameter("propagationPolicy", "string", "What becomes of dependents: Background, Foreground or Orphan."),
];

const queryOf: { readonly [action in Action]: readonly Parameter[] } = {
  list: [...selecting, ...watching],
  get: [],
  post: writing,
  put: writing,
  patch: [...writing, force],
  delete: deleting,
  deletecollection: [...deleting, ...selecting.filter(({ name }) => name !== "timeoutSeconds")],
};
const logQuery = [
  parameter("container", "string", "Which container's log."),
  parameter("follow", "boolean", "Goes on as the log grows."),
  parameter("previous", "boolean", "The log of the instance before."),
  parameter("sinceSeconds", "integer", "Only what is younger."),
  parameter("tailLines", "integer", "Only so many lines from the end."),
  parameter("timestamps", "boolean", "Begins each line with its time."),
  parameter("limitBytes", "integer", "Ends after so many bytes."),
];

/** OpenAPI's two ways to say the same. */
function parameterObject(version: OpenApiVersion, { name, type, description }: Parameter): Schema {
  const place = { name, in: "query", description, uniqueItems: true };
  return version === "v2" ? { ...place, type } : { ...place, schema: { type, uniqueItems: true } };
}

function pathParameters(version: OpenApiVersion, path: string): Schema[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    ...(version === "v2" ? { type: "string" } : { schema: { type: "string" } }),
  }));
}

const answerName = ({ answer, answersList }: Operation): string | undefined =>
  answer === "" ? undefined : `${schemaName(answer)}${answersList ? "List" : ""}`;

function responses(version: OpenApiVersion, operation: Operation): Schema {
  const name = answerName(operation);
  const schema = name === undefined ? { type: "string" } : refTo(version, name);
  const type = name === undefined ? "text/plain" : json;
  const ok = version === "v2" ? { description: "OK", schema } : { description: "OK", content: { [type]: { schema } } };
  const unauthorized = { description: "Unauthorized" };
  return operation.action === "post"
    ? { "200": ok, "201": { ...ok, description: "Created" }, "401": unauthorized }
    : { "200": ok, "401": unauthorized };
}

function operationObject(version: OpenApiVersion, operation: Operation): Schema {
  const { action, about, operationId, body, path } = operation;
  const query = operation.answer === "" ? logQuery : queryOf[action];
  const parameters = query.map((one) => parameterObject(version, one));
  const bodySchema = refTo(version, action === "patch" ? scalarNames.Patch : schemaName(body ?? ""));
  const hasBody = action === "patch" || body !== undefined;
  const required = action !== "delete" && action !== "deletecollection";
  const bodyTypes = action === "patch" ? patchTypes : [json, "application/yaml"];
  return {
    operationId,
    tags: [path.startsWith("/api/") ? "core_v1" : path.split("/").slice(2, 4).join("_").replace(".k8s.io", "")],
    ...(version === "v2"
      ? { consumes: hasBody ? bodyTypes : ["*/*"], produces: [json, "application/yaml"], schemes: ["https"] }
      : {}),
    parameters:
      version === "v2" && hasBody
        ? [{ name: "body", in: "body", required, schema: bodySchema }, ...parameters]
        : parameters,
    ...(version === "v3" && hasBody
      ? {
          requestBody: {
            required,
            content: Object.fromEntries(bodyTypes.map((type) => [type, { schema: bodySchema }])),
          },
        }
      : {}),
    responses: responses(version, operation),
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": about,
  };
}

function pathsOf(version: OpenApiVersion, operations: readonly Operation[]): { [path: string]: Schema } {
  const paths: { [path: string]: Schema } = {};
  for (const operation of operations) {
    const item = (paths[operation.path] ??= { parameters: pathParameters(version, operation.path) });
    item[operation.method] = operationObject(version, operation);
  }
  return paths;
}

const info = { title: "Kubernetes", version: "v1.35.0" };
const bodies = ["DeleteOptions", "Status"];

function describe(version: OpenApiVersion, kindList: typeof kinds): { paths: Schema; schemas: Schema } {
  const operations = kindList.flatMap(operationsOf);
  const named = operations.flatMap(({ body, answer }) => [
    ...(body === undefined ? [] : [body]),
    ...(answer === "" ? [] : [answer]),
  ]);
  const lists = kindList.map(({ definition }) => definition);
  return {
    paths: pathsOf(version, operations),
    schemas: schemasOf(version, [...new Set([...named, ...bodies])], lists),
  };
}

/** `/openapi/v3/api/v1`, `/openapi/v3/apis/apps/v1`, …; undefined for a group and version that are not served. */
export function openApiV3(group: string, version: string): Document | undefined {
  const served = kinds.filter((kind) => kind.group === group && kind.version === version);
  if (served.length === 0) return undefined;
  const { paths, schemas } = describe("v3", served);
  return { openapi: "3.0.0", info, paths, components: { schemas } };
}

/** `/openapi/v3`: where the documents are. The hash in an address changes with the document, so that clients may keep it. */
export function openApiV3Index(): Document {
  const served = new Map(kinds.map(({ group, version }) => [rootOf(group, version), { group, version }]));
  const paths: Document = {};
  for (const [root, { group, version }] of served) {
    const hash = createHash("sha256")
      .update(JSON.stringify(openApiV3(group, version)))
      .digest("hex")
      .toUpperCase();
    paths[root.slice(1)] = { serverRelativeURL: `/openapi/v3${root}?hash=${hash}` };
  }
  return { paths };
}

/** `/openapi/v2`: all groups in one document. */
export function openApiV2(): Document {
  const { paths, schemas } = describe("v2", kinds);
  return { swagger: "2.0", info, paths, definitions: schemas };
}
