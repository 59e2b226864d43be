// What `wherry call` says of a service's error.
import { ServiceError } from "@wherry/service";
import { expect, test } from "vitest";
import { errorText } from "./error-text.ts";

test.each([
  [{}, []],
  // What a client says itself may be nothing, as the code of a last attempt that there was not.
  [{ left: 2, at: "south", lastCode: undefined, attempts: 0 }, ["  left: 2", '  at: "south"']],
  [{ places: ["north", { name: "east" }], none: null }, ['  places: ["north",{"name":"east"}]', "  none: null"]],
])("its details are below its message, one a line: %o", (details, lines) => {
  const error = new ServiceError("SOLD_OUT", "none left", { details });
  expect(errorText(error).split("\n")).toEqual(["SOLD_OUT: none left", ...lines]);
});

test("what a schema found is said once; what the message leaves out is told below it", () => {
  const issues = [{ path: ["count"], message: "expected number" }];
  const said = new ServiceError("INVALID", "count: expected number", { details: { issues } });
  expect(errorText(said)).toBe("INVALID: count: expected number");
  const unsaid = new ServiceError("INVALID", "no", { details: { issues: ["taken", null] } });
  expect(errorText(unsaid)).toBe('INVALID: no\n  issues: ["taken",null]');
});

test("long details are indented JSON, and endless ones have an end", () => {
  const long = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`place-${index}`, index]));
  const lines = errorText(new ServiceError("SOLD_OUT", "none", { details: { long } })).split("\n");
  expect(lines.slice(0, 3)).toEqual(["SOLD_OUT: none", "  long: {", '  "place-0": 0,']);
  expect(lines.at(-1)).toMatch(/^ {2}… and \d+ lines more$/);
  expect(lines.length).toBeLessThan(100);
});
