// The store's index holds what a plain map would, and visits ranges in order.
import fc from "fast-check";
import { expect, test } from "vitest";
import { SortedMap } from "./sorted-map.ts";

test("visits exactly the keys of a range, in order, whatever was set and deleted before", () => {
  // Few different parts, so that prefixes are shared, and more keys than one chunk holds.
  const key = fc.tuple(fc.constantFrom("a", "ab", "b"), fc.nat(700)).map(([group, index]) => `/${group}/${index}`);
  const step = fc.record({ key, remove: fc.nat(3).map((one) => one === 0) });
  const prefix = fc.constantFrom("", "/", "/a", "/a/", "/a/5", "/ab/", "/b/69", "/c/");
  fc.assert(
    fc.property(fc.array(step, { maxLength: 2_000, size: "max" }), prefix, key, (steps, range, from) => {
      const map = new SortedMap<string>();
      const model = new Map<string, string>();
      for (const [index, { key: at, remove }] of steps.entries()) {
        if (remove) expect(map.delete(at)).toBe(model.delete(at));
        else {
          map.set(at, `${at} ${index}`);
          model.set(at, `${at} ${index}`);
        }
      }
      expect(map.size).toBe(model.size);
      for (const start of [range, from]) {
        const visited: string[] = [];
        map.visit(range, start, (value) => visited.push(value));
        const expected = [...model.keys()].filter((one) => one.startsWith(range) && one >= start).sort();
        expect(visited).toEqual(expected.map((one) => model.get(one)));
      }
      for (const one of steps) expect(map.get(one.key)).toBe(model.get(one.key));
    }),
    { numRuns: 50 },
  );
});
