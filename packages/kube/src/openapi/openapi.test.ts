// The OpenAPI documents say what kubectl needs of them, and hang together: every reference, name and operation.
import { expect, test } from "vitest";
import { definitions } from "../schema/generated/definitions.ts";
import { kinds } from "../schema/kinds.ts";
import { atomicMaps, atomicStructs, listRules } from "../schema/lists.ts";
import { fieldAt } from "../value.ts";
import { fieldDescriptions, typeDescriptions } from "./descriptions.ts";
import { openApiV2, openApiV3, openApiV3Index } from "./documents.ts";

/** Every object below a value, itself included. */
function* objects(value: unknown): Generator<Record<string, unknown>> {
  if (Array.isArray(value)) for (const item of value) yield* objects(item);
  else if (typeof value === "object" && value !== null) {
    yield value as Record<string, unknown>;
    for (const item of Object.values(value)) yield* objects(item);
  }
}
const groupVersions = [...new Set(kinds.map(({ group, version }) => `${group}/${version}`))];
const documents = (): Record<string, unknown>[] => [
  openApiV2(),
  ...groupVersions.map((one) => openApiV3(...(one.split("/") as [string, string])) ?? {}),
];

test("every reference leads somewhere", () => {
  for (const document of documents())
    for (const { $ref } of objects(document)) {
      if (typeof $ref !== "string") continue;
      expect(fieldAt(document, $ref.replace("#/", "").split("/")), $ref).toBeDefined();
    }
});

test("definitions have the names that clients know", () => {
  const apps = openApiV3("apps", "v1");
  const schemas = fieldAt(apps, ["components", "schemas"]) as Record<string, unknown>;
  for (const name of [
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.apps.v1.DeploymentList",
    "io.k8s.api.core.v1.PodSpec",
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    "io.k8s.apimachinery.pkg.api.resource.Quantity",
  ])
    expect(schemas, name).toHaveProperty([name]);
  expect(schemas["io.k8s.api.apps.v1.Deployment"]).toMatchObject({
    "x-kubernetes-group-version-kind": [{ group: "apps", version: "v1", kind: "Deployment" }],
  });
  const discovery = openApiV3("discovery.k8s.io", "v1");
  expect(fieldAt(discovery, ["components", "schemas"])).toHaveProperty(["io.k8s.api.discovery.v1.EndpointPort"]);
});

test("lists say how they merge", () => {
  const core = openApiV3("", "v1");
  const podSpec = fieldAt(core, ["components", "schemas", "io.k8s.api.core.v1.PodSpec", "properties"]);
  expect(fieldAt(podSpec, ["containers"])).toEqual({
    type: "array",
    items: { $ref: "#/components/schemas/io.k8s.api.core.v1.Container" },
    description: expect.any(String),
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "x-kubernetes-patch-merge-key": "name",
    "x-kubernetes-patch-strategy": "merge",
  });
  expect(fieldAt(podSpec, ["volumes"])).toMatchObject({ "x-kubernetes-patch-strategy": "merge,retainKeys" });
  expect(fieldAt(podSpec, ["tolerations"])).toMatchObject({ "x-kubernetes-list-type": "atomic" });
  const meta = ["components", "schemas", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "properties", "finalizers"];
  expect(fieldAt(core, meta)).toMatchObject({
    "x-kubernetes-list-type": "set",
    "x-kubernetes-patch-strategy": "merge",
  });
});

test("each kind's PATCH tells kubectl of fieldValidation, dryRun and strategic merge", () => {
  for (const kind of kinds) {
    const document = openApiV3(kind.group, kind.version);
    const patches = [...objects(fieldAt(document, ["paths"]))].filter(
      (one) =>
        one["x-kubernetes-action"] === "patch" &&
        fieldAt(one, ["x-kubernetes-group-version-kind", "kind"]) === kind.kind,
    );
    expect(patches.length, kind.kind).toBeGreaterThan(0);
    for (const patch of patches) {
      const names = (patch["parameters"] as { name: string }[]).map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(["fieldValidation", "dryRun", "fieldManager"]));
      expect(fieldAt(patch, ["requestBody", "content"])).toHaveProperty(["application/strategic-merge-patch+json"]);
    }
  }
});

test("operations have ids of their own, and subresources the kinds they are about", () => {
  for (const document of documents()) {
    const ids = [...objects(document)].flatMap(({ operationId }) =>
      typeof operationId === "string" ? [operationId] : [],
    );
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(5);
  }
  const core = openApiV3("", "v1");
  const at = (path: string, method: string): unknown => fieldAt(core, ["paths", path, method]);
  expect(at("/api/v1/namespaces/{namespace}/pods", "get")).toMatchObject({
    operationId: "listCoreV1NamespacedPod",
    "x-kubernetes-action": "list",
  });
  expect(at("/api/v1/namespaces/{namespace}/pods/{name}/eviction", "post")).toMatchObject({
    "x-kubernetes-group-version-kind": { group: "policy", version: "v1", kind: "Eviction" },
    requestBody: {
      content: { "application/json": { schema: { $ref: "#/components/schemas/io.k8s.api.policy.v1.Eviction" } } },
    },
  });
  expect(at("/api/v1/namespaces/{namespace}/pods/{name}/log", "get")).toMatchObject({
    responses: { "200": { content: { "text/plain": {} } } },
  });
  expect(at("/api/v1/nodes/{name}", "delete")).toBeDefined();
});

test("the index has an address per group, which changes with the document alone", () => {
  const index = openApiV3Index();
  expect(Object.keys(index["paths"] as object).toSorted()).toEqual([
    "api/v1",
    "apis/apps/v1",
    "apis/discovery.k8s.io/v1",
    "apis/policy/v1",
  ]);
  expect(fieldAt(index, ["paths", "apis/apps/v1", "serverRelativeURL"])).toMatch(
    /^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{64}$/,
  );
  expect(openApiV3Index()).toEqual(index);
  expect(openApiV3("nowhere", "v1")).toBeUndefined();
});

test("every row of the tables is about a definition and a field that exist", () => {
  const fields = Object.entries(listRules).flatMap(([name, rules]) =>
    Object.keys(rules).map((field) => `${name}.${field}`),
  );
  const maps = Object.entries(atomicMaps).flatMap(([name, all]) => all.map((field) => `${name}.${field}`));
  for (const path of [...fields, ...maps, ...Object.keys(fieldDescriptions)]) {
    const [definition = "", field = ""] = path.split(".");
    expect(definitions[definition], path).toHaveProperty([field]);
  }
  for (const name of [...atomicStructs, ...Object.keys(typeDescriptions)]) expect(definitions).toHaveProperty([name]);
});
