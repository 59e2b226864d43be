// The table of what is outstanding behaves as a map does, whatever is done to it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { IdTable } from "./id-table.ts";

test("an id table holds what a map would, whatever is done to it", () => {
  // Few, and some that fall on the same place, so that they meet.
  const id = fc.oneof(
    fc.nat(20),
    fc.nat(20).map((n) => n * 2 ** 27),
    fc.constantFrom(0xffffffff, 0x80000000),
  );
  const step = fc.record({ act: fc.constantFrom("set", "set", "take", "get", "clear"), id });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = new IdTable<number>();
      const map = new Map<number, number>();
      for (const [index, { act, id: key }] of steps.entries()) {
        if (act === "set") {
          table.set(key, index);
          map.set(key, index);
        } else if (act === "take") {
          expect(table.take(key)).toBe(map.get(key));
          map.delete(key);
        } else if (act === "clear" && index % 7 === 0) {
          table.clear();
          map.clear();
        }
        expect(table.get(key)).toBe(map.get(key));
        expect(table.has(key)).toBe(map.has(key));
        expect(table.size).toBe(map.size);
      }
      expect(table.all().sort((a, b) => a - b)).toEqual([...map.values()].sort((a, b) => a - b));
    }),
  );
});

test("what stands in an id table may be taken out while all are looked at", () => {
  const table = new IdTable<string>();
  for (let id = 0; id < 100; id++) table.set(id * 16, `item ${id}`);
  for (const item of table.all()) expect(table.take(Number(item.slice(5)) * 16)).toBe(item);
  expect(table.size).toBe(0);
});
