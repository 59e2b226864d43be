// Any patch of any object, random ones aimed at prototypes among them: a value or a StatusError, and nothing is mutated.
import fc from "fast-check";
import { expect, test } from "vitest";
import { kinds } from "../schema/kinds.ts";
import { StatusError } from "../status.ts";
import type { Json } from "../types/index.ts";
import { deepFreeze } from "../value.ts";
import { applyPatch } from "./apply.ts";

/** Names that mean something to a patch, and some that are aimed at prototypes. */
const names = fc.constantFrom(
  ...["spec", "metadata", "template", "containers", "env", "ports", "name", "containerPort", "volumes", "finalizers"],
  ...["$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "labels"],
  ...["op", "path", "from", "value", "__proto__", "constructor", "prototype", "toString"],
);
const scalars = fc.constantFrom<Json>(
  ...["replace", "delete", "merge", "add", "copy", "/spec", "/-", "/a/0", "a", "b"],
  1,
  true,
  null,
);
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    scalars,
    fc.array(tie("json"), { maxLength: 3 }),
    fc
      .array(fc.tuple(names, tie("json")), { maxLength: 4 })
      .map(
        (entries) =>
          JSON.parse(`{${entries.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(",")}}`) as Json,
      ),
  ),
}));

test("any patch of any object gives a value or a StatusError, mutates nothing, and leaves prototypes alone", () => {
  const types = fc.constantFrom("json", "merge", "strategic");
  const inherited = Object.getOwnPropertyNames(Object.prototype).length;
  fc.assert(
    fc.property(types, fc.constantFrom(...kinds), json, json, (type, kind, current, patch) => {
      try {
        const result = applyPatch(type, kind, deepFreeze(current), deepFreeze(patch));
        expect(JSON.parse(JSON.stringify(result))).toEqual(result);
        if (typeof result === "object" && result !== null) expect(Object.isFrozen(result)).toBe(false);
      } catch (error) {
        expect(error).toBeInstanceOf(StatusError);
        expect([400, 413, 422]).toContain((error as StatusError).httpStatus);
      }
      expect(Object.getOwnPropertyNames(Object.prototype).length).toBe(inherited);
    }),
    { numRuns: 2000 },
  );
});
