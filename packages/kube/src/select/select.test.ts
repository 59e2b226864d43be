// Label and field selectors, as kubectl writes them, choose what Kubernetes would.
import { expect, test } from "vitest";
import { resources } from "../schema/kinds.ts";
import { parseFieldSelector } from "./fields.ts";
import { parseLabelSelector, selectorOf, selectorOfMap } from "./labels.ts";

const matching = (text: string): string[] => {
  const objects = {
    one: { app: "a", tier: "web", n: "5" },
    two: { app: "b", "x.io/y": "" },
    none: undefined,
  };
  const selector = parseLabelSelector(text);
  expect(parseLabelSelector(selector.toString()).toString()).toBe(selector.toString());
  return Object.entries(objects).flatMap(([name, labels]) => (selector.matches(labels) ? [name] : []));
};

test.each([
  ["", ["one", "two", "none"]],
  ["app=a", ["one"]],
  ["app==a,tier=web", ["one"]],
  ["app!=a", ["two", "none"]],
  ["app in (a, b)", ["one", "two"]],
  ["app in (a,b),tier notin (web)", ["two"]],
  ["tier", ["one"]],
  ["!tier", ["two", "none"]],
  [" ! tier , app ", ["two"]],
  ["n>4,n<6", ["one"]],
  ["n>5", []],
  ["x.io/y=", ["two"]],
  ["in in (in)", []],
])("label selector %j matches %j", (text, expected) => {
  expect(matching(text)).toEqual(expected);
});

test.each(["a=b,", ",a", "a in b", "a in (b", "a=(", "=b", "a b", "!!a", "a=b=c", "a>x", "-a", "a=!", "a=x y"])(
  "bad label selector %j is a 400",
  (text) => {
    expect(() => parseLabelSelector(text)).toThrow(expect.objectContaining({ httpStatus: 400 }));
  },
);

test("a LabelSelector is all of its parts; none at all matches nothing", () => {
  const selector = selectorOf({
    matchLabels: { app: "a" },
    matchExpressions: [
      { key: "tier", operator: "In", values: ["web", "db"] },
      { key: "old", operator: "DoesNotExist" },
    ],
  });
  expect(selector.toString()).toBe("app=a,tier in (db,web),!old");
  expect(selector.matches({ app: "a", tier: "db" })).toBe(true);
  expect(selector.matches({ app: "a", tier: "db", old: "" })).toBe(false);
  expect(selectorOf({}).matches({ any: "thing" })).toBe(true);
  expect(selectorOf(undefined).matches({})).toBe(false);
  expect(selectorOfMap({}).matches({})).toBe(false);
  expect(selector.valuesOf("app")).toEqual(["a"]);
  expect(parseLabelSelector("constructor").matches({})).toBe(false);
});

test("field selectors know which fields of a kind can be selected", () => {
  const selector = parseFieldSelector(resources.pods, "spec.nodeName=n1,status.phase!=Failed");
  expect(selector.equals("spec.nodeName")).toBe("n1");
  expect(selector.equals("status.phase")).toBeUndefined();
  expect(selector.matches({ spec: { nodeName: "n1" }, status: { phase: "Running" } })).toBe(true);
  expect(selector.matches({ spec: { nodeName: "n1" }, status: { phase: "Failed" } })).toBe(false);
  expect(selector.matches({})).toBe(false);
  expect(parseFieldSelector(resources.nodes, "spec.unschedulable=false").matches({ spec: {} })).toBe(true);
  expect(parseFieldSelector(resources.replicasets, "status.replicas=0").matches({})).toBe(true);
  expect(parseFieldSelector(resources.events, "source=kubelet").matches({ reportingComponent: "kubelet" })).toBe(true);
  expect(parseFieldSelector(resources.pods, "metadata.name=a\\,b").equals("metadata.name")).toBe("a,b");
  expect(parseFieldSelector(resources.pods, "").matchesAll).toBe(true);
});

test("an unknown field is refused in Kubernetes' words", () => {
  expect(() => parseFieldSelector(resources.pods, "spec.x=1")).toThrow("field label not supported: spec.x");
  expect(() => parseFieldSelector(resources.configmaps, "data=1")).toThrow(
    '"data" is not a known field selector: only "metadata.name", "metadata.namespace"',
  );
  expect(() => parseFieldSelector(resources.pods, "nonsense")).toThrow(/invalid field selector/);
});
