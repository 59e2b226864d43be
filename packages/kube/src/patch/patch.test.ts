// The three kinds of patches, with the examples of their RFCs and what Kubernetes says of its own lists.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resources } from "../schema/kinds.ts";
import type { Json } from "../types/index.ts";
import { deepFreeze } from "../value.ts";
import { applyPatch } from "./apply.ts";
import { jsonPatch } from "./json-patch.ts";
import { mergePatch } from "./merge-patch.ts";

const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;
const object = fc.dictionary(fc.string({ maxLength: 3 }), json, { maxKeys: 4 }) as fc.Arbitrary<Json>;

describe("merge patch (RFC 7386, appendix A)", () => {
  test.each<[Json, Json, Json]>([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j + %j = %j", (target, patch, expected) => {
    expect(mergePatch(target, patch)).toEqual(expected);
  });

  test("twice is the same as once, and neither side is changed", () => {
    fc.assert(
      fc.property(object, object, (target, patch) => {
        const once = mergePatch(deepFreeze(target), deepFreeze(patch));
        expect(mergePatch(once, patch)).toEqual(once);
      }),
    );
  });
});

describe("JSON patch (RFC 6902)", () => {
  test.each<[string, Json, Json, Json]>([
    ["adds a member", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
    ["adds an item", { foo: [1, 3] }, [{ op: "add", path: "/foo/1", value: 2 }], { foo: [1, 2, 3] }],
    ["appends", { foo: [1] }, [{ op: "add", path: "/foo/-", value: [2] }], { foo: [1, [2]] }],
    ["removes a member", { baz: 1, foo: 2 }, [{ op: "remove", path: "/baz" }], { foo: 2 }],
    ["removes an item", { foo: [1, 2, 3] }, [{ op: "remove", path: "/foo/1" }], { foo: [1, 3] }],
    ["replaces", { baz: 1 }, [{ op: "replace", path: "/baz", value: "boo" }], { baz: "boo" }],
    ["moves", { foo: { a: 1 }, q: {} }, [{ op: "move", from: "/foo/a", path: "/q/b" }], { foo: {}, q: { b: 1 } }],
    ["moves an item", { f: [1, 2, 3, 4] }, [{ op: "move", from: "/f/1", path: "/f/3" }], { f: [1, 3, 4, 2] }],
    ["copies", { a: { b: [1] } }, [{ op: "copy", from: "/a", path: "/c" }], { a: { b: [1] }, c: { b: [1] } }],
    ["unescapes", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
    ["adds null", { a: 1 }, [{ op: "add", path: "/b", value: null }], { a: 1, b: null }],
    ["replaces all", { a: 1 }, [{ op: "replace", path: "", value: { b: 1 } }], { b: 1 }],
    ["ignores what it does not know", { a: 1 }, [{ op: "add", path: "/b", value: 2, xyz: 1 }], { a: 1, b: 2 }],
  ])("%s", (_name, target, patch, expected) => {
    expect(jsonPatch(deepFreeze(target), deepFreeze(patch))).toEqual(expected);
  });

  test.each<[string, Json, number]>([
    ["a test that fails", [{ op: "test", path: "/a", value: 2 }], 422],
    ["text is not a number", [{ op: "test", path: "/a", value: "1" }], 422],
    ["a parent that is missing", [{ op: "add", path: "/x/y", value: 1 }], 422],
    ["an index out of range", [{ op: "add", path: "/l/5", value: 1 }], 422],
    ["an index with leading zero", [{ op: "replace", path: "/l/00", value: 1 }], 422],
    ["a remove of nothing", [{ op: "remove", path: "/zz" }], 422],
    ["an inherited field", [{ op: "replace", path: "/constructor/name", value: 1 }], 422],
    ["a move into itself", [{ op: "move", from: "/o", path: "/o/x" }], 422],
    ["a prototype", [{ op: "add", path: "/__proto__/x", value: 1 }], 400],
    ["an unknown op", [{ op: "spin", path: "/a" }], 400],
    ["a missing value", [{ op: "add", path: "/a" }], 400],
    ["a bad pointer", [{ op: "remove", path: "a" }], 400],
    ["an object", { op: "remove", path: "/a" }, 400],
    ["too many operations", Array(10_001).fill({ op: "test", path: "/a", value: 1 }), 413],
    ["copies that explode", Array.from({ length: 40 }, () => ({ op: "copy", from: "", path: "/l/-" })), 413],
  ])("%s is refused", (_name, patch, code) => {
    expect(() => jsonPatch({ a: 1, l: [1], o: { x: 1 } }, patch)).toThrow(
      expect.objectContaining({ httpStatus: code }),
    );
  });
});

describe("strategic merge patch", () => {
  const pod = (spec: Json): Json => ({ spec });
  const patched = (current: Json, patch: Json): Json =>
    applyPatch("strategic", resources.pods, deepFreeze(pod(current)), deepFreeze(pod(patch)));

  test.each<[string, Json, Json, Json]>([
    [
      "joins containers by name, appends new ones",
      {
        containers: [
          { name: "a", image: "1", args: ["x"] },
          { name: "b", image: "1" },
        ],
      },
      {
        containers: [
          { name: "b", image: "2" },
          { name: "c", image: "3" },
          { name: "a", args: ["y"] },
        ],
      },
      {
        containers: [
          { name: "a", image: "1", args: ["y"] },
          { name: "b", image: "2" },
          { name: "c", image: "3" },
        ],
      },
    ],
    [
      "goes on below: env by name, ports by containerPort",
      { containers: [{ name: "a", env: [{ name: "X", value: "1" }], ports: [{ containerPort: 80, name: "web" }] }] },
      {
        containers: [{ name: "a", env: [{ name: "Y", value: "2" }], ports: [{ containerPort: 80, protocol: "TCP" }] }],
      },
      {
        containers: [
          {
            name: "a",
            env: [
              { name: "X", value: "1" },
              { name: "Y", value: "2" },
            ],
            ports: [{ containerPort: 80, name: "web", protocol: "TCP" }],
          },
        ],
      },
    ],
    [
      "deletes an item",
      { containers: [{ name: "a" }, { name: "b" }] },
      { containers: [{ $patch: "delete", name: "a" }] },
      { containers: [{ name: "b" }] },
    ],
    [
      "replaces a list",
      { containers: [{ name: "a" }, { name: "b" }] },
      { containers: [{ $patch: "replace" }, { name: "c", image: "i" }] },
      { containers: [{ name: "c", image: "i" }] },
    ],
    [
      "replaces an object",
      { securityContext: { runAsUser: 1, fsGroup: 2 } },
      { securityContext: { $patch: "replace", runAsUser: 3 } },
      { securityContext: { runAsUser: 3 } },
    ],
    ["deletes an object", { affinity: { podAffinity: {} } }, { affinity: { $patch: "delete" } }, { affinity: {} }],
    ["deletes with null, also what isn't there", { hostname: "h" }, { hostname: null, subdomain: null }, {}],
    [
      "replaces atomic lists",
      { tolerations: [{ key: "a" }] },
      { tolerations: [{ key: "b" }] },
      { tolerations: [{ key: "b" }] },
    ],
    [
      "keeps only the retained source of a volume",
      { volumes: [{ name: "v", emptyDir: {} }] },
      { volumes: [{ $retainKeys: ["name", "hostPath"], name: "v", hostPath: { path: "/x" } }] },
      { volumes: [{ name: "v", hostPath: { path: "/x" } }] },
    ],
    [
      "orders as told, what only the server has keeps its place",
      { containers: [{ name: "a" }, { name: "s" }, { name: "b" }] },
      { "$setElementOrder/containers": [{ name: "b" }, { name: "n" }, { name: "a" }], containers: [{ name: "n" }] },
      { containers: [{ name: "s" }, { name: "b" }, { name: "n" }, { name: "a" }] },
    ],
    [
      "leaves no directive behind in new parts",
      {},
      {
        affinity: { $retainKeys: ["nodeAffinity"], nodeAffinity: {} },
        containers: [{ name: "a", env: [{ name: "X", $patch: "delete" }] }],
      },
      { affinity: { nodeAffinity: {} }, containers: [{ name: "a", env: [] }] },
    ],
  ])("%s", (_name, current, patch, expected) => {
    expect(patched(current, patch)).toEqual(pod(expected));
  });

  test("replaces a budget's selector as a whole", () => {
    const labels = (matchLabels: object): Json => ({ spec: { selector: { matchLabels } } }) as Json;
    expect(applyPatch("strategic", resources.poddisruptionbudgets, labels({ a: "1" }), labels({ b: "2" }))).toEqual(
      labels({ b: "2" }),
    );
  });

  test("finalizers are a set: merged, and deleted by value", () => {
    const current = { metadata: { finalizers: ["a", "b"], labels: { x: "1", y: "2" } } };
    const patch = {
      metadata: { finalizers: ["c", "a"], "$deleteFromPrimitiveList/finalizers": ["b"], labels: { x: null, z: "3" } },
    };
    expect(applyPatch("strategic", resources.pods, current, patch)).toEqual({
      metadata: { finalizers: ["a", "c"], labels: { y: "2", z: "3" } },
    });
  });

  test("retainKeys switches a Deployment's strategy", () => {
    const current = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
    const patch = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
    expect(applyPatch("strategic", resources.deployments, current, patch)).toEqual({
      spec: { strategy: { type: "Recreate" } },
    });
  });

  test.each<[string, Json]>([
    ["an item without its key", { containers: [{ image: "x" }] }],
    ["an unknown directive", { securityContext: { $patch: "explode" } }],
    ["text in a list of objects", { containers: ["a"] }],
    ["a key that is not retained", { volumes: [{ name: "v", $retainKeys: ["name"], emptyDir: {} }] }],
  ])("%s is a 400", (_name, patch) => {
    expect(() => patched({}, patch)).toThrow(expect.objectContaining({ httpStatus: 400 }));
  });

  test("any patch: twice is once, nothing is mutated, no prototype is reached", () => {
    const names = fc.constantFrom("a", "b", "c");
    const container = fc.record(
      {
        name: names,
        image: names,
        args: fc.array(names),
        env: fc.uniqueArray(fc.record({ name: names }), { selector: (e) => e.name }),
      },
      { requiredKeys: ["name"] },
    );
    const containers = fc.uniqueArray(container, { selector: (item) => item.name });
    const spec = fc.record(
      { containers, tolerations: fc.array(fc.record({ key: names })), extra: object },
      { requiredKeys: [] },
    ) as fc.Arbitrary<Json>;
    fc.assert(
      fc.property(spec, spec, (current, patch) => {
        const once = patched(current, patch);
        expect(applyPatch("strategic", resources.pods, once, pod(patch))).toEqual(once);
      }),
    );
    const evil = JSON.parse('{"spec":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}}') as Json;
    for (const type of ["merge", "strategic"] as const) applyPatch(type, resources.pods, { spec: {} }, evil);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});
