// What of an object may change once it exists.
import { expect, test } from "vitest";
import type { Json } from "../types/index.ts";
import { kindOf, object, type Plural } from "./objects.suite.ts";
import { validateUpdate } from "./validate.ts";

const update = (plural: Plural, before: Json, after: Json, subresource?: string): string[] =>
  validateUpdate(kindOf(plural), object(plural, after), object(plural, before), subresource).map(
    ({ field, message }) => `${field}: ${message.split("\n")[0] ?? ""}`,
  );

test("selectors and types are immutable", () => {
  const other = {
    spec: { selector: { matchLabels: { app: "x", b: "c" } }, template: { metadata: { labels: { b: "c" } } } },
  };
  expect(update("deployments", {}, other)).toEqual([
    'spec.selector: Invalid value: {"matchLabels":{"app":"x","b":"c"}}: field is immutable',
  ]);
  expect(update("secrets", {}, { type: "x" })).toEqual(['type: Invalid value: "x": field is immutable']);
  expect(update("endpointslices", {}, { addressType: "IPv6" })).toHaveLength(1);
});

test("metadata that is fixed stays; what is left out counts as unchanged", () => {
  expect(update("pods", { metadata: { uid: "1" } }, { metadata: { uid: "2" } })).toEqual([
    'metadata.uid: Invalid value: "2": field is immutable',
  ]);
  expect(update("pods", { metadata: { uid: "1" } }, {})).toEqual([]);
  const deleting = { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } };
  expect(update("pods", deleting, { metadata: { finalizers: ["a/b"] } })).toEqual([
    'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a/b"}',
  ]);
});

test("an immutable ConfigMap keeps its data and stays immutable; its metadata may change", () => {
  const sealed = { immutable: true };
  expect(update("configmaps", sealed, { immutable: true, data: { a: "c" } })).toEqual([
    "data: Forbidden: field is immutable when `immutable` is set",
  ]);
  expect(update("configmaps", sealed, {})).toEqual([
    "immutable: Forbidden: field is immutable when `immutable` is set",
  ]);
  expect(update("configmaps", sealed, { immutable: true, metadata: { labels: { a: "b" } } })).toEqual([]);
});

test("of a pod's spec only a few fields may change", () => {
  expect(update("pods", {}, { spec: { containers: [{ name: "c", image: "other" }] } })).toEqual([]);
  expect(update("pods", {}, { spec: { activeDeadlineSeconds: 5, tolerations: [{ operator: "Exists" }] } })).toEqual([]);
  expect(update("pods", {}, { spec: { hostname: "h" } })[0]).toMatch(/^spec: Forbidden: pod updates may not change/);
  expect(update("pods", {}, { spec: { nodeName: "n" } })).toHaveLength(1);
  expect(update("pods", {}, { spec: { nodeName: "n" } }, "binding")).toEqual([]);
  expect(update("pods", {}, { spec: { containers: [{ name: "d", image: "i" }] } })).toEqual([
    "spec.containers: Forbidden: pod updates may not add or remove containers",
  ]);
  expect(update("pods", { spec: { activeDeadlineSeconds: 5 } }, { spec: { activeDeadlineSeconds: 6 } })).toHaveLength(
    1,
  );
  expect(update("pods", { spec: { tolerations: [{ operator: "Exists" }] } }, {})).toHaveLength(1);
});

test("a Service keeps its address", () => {
  const at = (clusterIP: string): Json => ({ spec: { clusterIP } });
  expect(update("services", at("127.1.0.5"), at("127.1.0.6"))).toEqual([
    'spec.clusterIPs[0]: Invalid value: ["127.1.0.6"]: may not change once set',
  ]);
  const external = { spec: { type: "ExternalName", externalName: "a.b" } };
  expect(update("services", at("127.1.0.5"), external)).toEqual([]);
});

test("a status write is not held up by the spec", () => {
  expect(update("pods", {}, { spec: { hostname: "h" }, status: { phase: "Running" } }, "status")).toEqual([]);
});
