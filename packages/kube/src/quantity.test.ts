// Quantities such as `100m` and `1Gi`: read, written in one canonical way, and summed exactly.
import fc from "fast-check";
import { expect, test } from "vitest";
import { addQuantities, canonicalQuantity, compareQuantities, parseQuantity, quantityToNumber } from "./quantity.ts";

test.each([
  ["0", "0"],
  ["1000m", "1"],
  ["0.5", "500m"],
  [0.5, "500m"],
  ["1.5", "1500m"],
  ["100000", "100k"],
  ["1024Mi", "1Gi"],
  ["1.5Gi", "1536Mi"],
  ["1000Ki", "1000Ki"],
  ["512", "512"],
  ["0.5Ki", "512"],
  ["1023Ki", "1023Ki"],
  ["1e3", "1e3"],
  ["1E3", "1e3"],
  ["12e-1", "1200e-3"],
  ["100M", "100M"],
  ["-1500m", "-1500m"],
  ["+5", "5"],
  [".5", "500m"],
  ["5.", "5"],
  ["0.1n", "1n"],
  ["2E", "2E"],
])("%j is written %s", (given, expected) => {
  expect(canonicalQuantity(given)).toBe(expected);
});

test.each(["", "abc", "1x", "1 Gi", "1e", "--1", "1e400", ".", "1".repeat(100), null, {}, Number.NaN])(
  "%j is no quantity",
  (given) => {
    expect(canonicalQuantity(given)).toBeUndefined();
  },
);

test("the canonical text is stable and keeps the value", () => {
  const suffix = fc.constantFrom("", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3");
  fc.assert(
    fc.property(fc.integer(), fc.nat(999), suffix, (whole, fraction, unit) => {
      const text = `${whole}.${fraction}${unit}`;
      const canonical = canonicalQuantity(text) ?? "";
      expect(canonicalQuantity(canonical)).toBe(canonical);
      expect(parseQuantity(canonical)?.nano).toBe(parseQuantity(text)?.nano);
    }),
  );
});

test("sums and comparisons are exact", () => {
  const [a, b] = [parseQuantity("100m"), parseQuantity("0.2")];
  if (a === undefined || b === undefined) throw new Error("no quantity");
  expect(compareQuantities(addQuantities(a, b), { nano: 300_000_000n, family: "decimal" })).toBe(0);
  expect(compareQuantities(a, b)).toBeLessThan(0);
  expect(quantityToNumber(addQuantities(a, b))).toBeCloseTo(0.3);
});
