// Values of JSON: equal, copied and looked into by path, without ever reaching a prototype.
import fc from "fast-check";
import { expect, test } from "vitest";
import { cloneJson, deepEqual, deepFreeze, fieldAt, stableJson } from "./value.ts";

test("equal means the same JSON, whatever the order of keys", () => {
  expect(deepEqual({ a: 1, b: [{ c: null }] }, { b: [{ c: null }], a: 1 })).toBe(true);
  expect(deepEqual({ a: undefined }, {})).toBe(true);
  expect(deepEqual({ a: null }, {})).toBe(false);
  expect(deepEqual({ a: {} }, {})).toBe(false);
  expect(deepEqual([], {})).toBe(false);
  expect(deepEqual({ toString: 1 }, {})).toBe(false);
  expect(deepEqual({}, { constructor: 1 })).toBe(false);
});

test("a copy is equal, has the same stable text, and shares nothing", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const frozen = deepFreeze(value);
      const copy = cloneJson(frozen);
      expect(deepEqual(copy, frozen)).toBe(true);
      expect(stableJson(copy)).toBe(stableJson(frozen));
      expect(JSON.parse(stableJson(copy))).toEqual(JSON.parse(JSON.stringify(frozen)));
      if (typeof copy === "object" && copy !== null) expect(Object.isFrozen(copy)).toBe(false);
    }),
  );
});

test("a path never reaches inherited fields", () => {
  expect(fieldAt({ a: [{ b: 1 }] }, ["a", 0, "b"])).toBe(1);
  expect(fieldAt({}, ["constructor", "name"])).toBeUndefined();
  expect(fieldAt(JSON.parse('{"__proto__":{"a":1}}'), ["__proto__", "a"])).toBe(1);
});
