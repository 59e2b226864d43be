// How deep a JSON text is nested, found without parsing it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { isDeeperThan } from "./depth.ts";

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test("counts what is nested, and not the brackets in texts", () => {
  const text = fc.stringMatching(/^[[{}\]"\\a]*$/);
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: "medium" },
      text,
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(text, tie("tree"), { maxKeys: 3 }),
    ),
  }));
  fc.assert(
    fc.property(tree, fc.nat(6), (value, depthMax) => {
      // Long enough to be looked at, whatever it is.
      const json = Buffer.from(`${" ".repeat(20)}${JSON.stringify(value)}`);
      expect(isDeeperThan(json, depthMax)).toBe(depthOf(value) > depthMax);
    }),
  );
});

test("takes what is no JSON without harm", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(3), (bytes, max) => void isDeeperThan(bytes, max)));
});
