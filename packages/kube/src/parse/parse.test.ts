// Bodies in JSON and YAML: read as kubectl reads them, and refused, never thrown at, when they are hostile.
import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "../limits.ts";
import { StatusError } from "../status.ts";
import { parseJson, parseYaml, parseYamlDocuments } from "./parse.ts";

test("any JSON comes back as JSON.parse gives it, without duplicates", () => {
  const value = fc.jsonValue().filter((json) => !JSON.stringify(json).includes("__proto__"));
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 2), (json, indent) => {
      const text = JSON.stringify(json, null, indent);
      expect(parseJson(text)).toEqual({ value: JSON.parse(text), duplicates: [] });
    }),
  );
});

test("any text is parsed or refused with a 400, and YAML too", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom(...["{}[],:\"\\a1 \n-&*!|>'#"].flatMap((all) => Array.from(all))) }),
  );
  fc.assert(
    fc.property(text, fc.constantFrom(parseJson, parseYaml), (given, parse) => {
      try {
        parse(given);
      } catch (error) {
        expect(error).toBeInstanceOf(StatusError);
        expect((error as StatusError).httpStatus).toBe(400);
      }
    }),
    { numRuns: 500 },
  );
});

test("keys that come twice are told by path, once each", () => {
  const text =
    '{"spec":{"replicas":1,"replicas":2,"replicas":3,"c":[{"a":1},{"a":"}\\"","\\u0061":[[{"b":1,"b":2}]]}]}}';
  expect(parseJson(text).duplicates).toEqual(["spec.replicas", "spec.c[1].a", "spec.c[1].a[0][0].b"]);
});

test("keys aimed at prototypes, and depth without end, are refused", () => {
  for (const text of ['{"a":{"__proto__":{}}}', '{"\\u005f_proto__":1}', '{"constructor":{"prototype":{"x":1}}}'])
    expect(() => parseJson(text)).toThrow(/not allowed/);
  expect(parseJson('{"constructor":"me","prototype":1}').value).toEqual({ constructor: "me", prototype: 1 });
  expect(() => parseJson("[".repeat(limits.jsonDepthMax + 1))).toThrow(/deeper than/);
  expect(() => parseYaml("__proto__: {polluted: true}")).toThrow(/not allowed/);
  const yaml = `a: ${"x".repeat(limits.yamlTextMax)}`;
  expect(() => parseYaml(yaml)).toThrow(
    expect.objectContaining({ httpStatus: 413, message: expect.stringContaining("send it as JSON") }),
  );
  expect(parseYamlDocuments(yaml)).toHaveLength(1);
  expect(() => parseJson(" ".repeat(limits.jsonTextMax + 1))).toThrow(expect.objectContaining({ httpStatus: 413 }));
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test("YAML is read as kubectl reads it", () => {
  const text =
    "mode: 0644\non: yes\ndate: 2024-01-01\nbase: &b {x: 1}\nmerged: {<<: *b, y: 12:30}\nquoted: 'no'\nmode: 0600\n";
  expect(parseYaml(text)).toEqual({
    value: { mode: 384, true: true, date: "2024-01-01", base: { x: 1 }, merged: { x: 1, y: "12:30" }, quoted: "no" },
    duplicates: ["mode"],
  });
  expect(parseYamlDocuments("---\na: 1\n---\n# nothing\n---\nb: 2\n").map(({ value }) => value)).toEqual([
    { a: 1 },
    { b: 2 },
  ]);
});

test("aliases that multiply are refused", () => {
  const lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
  for (const [one, two] of [
    ["a", "b"],
    ["b", "c"],
    ["c", "d"],
    ["d", "e"],
    ["e", "f"],
  ] as const)
    lines.push(`${two}: &${two} [${Array(10).fill(`*${one}`).join(",")}]`);
  expect(() => parseYaml(lines.join("\n"))).toThrow(/alias/);
});

test("YAML that is nothing but mistakes is refused for the first of them, and says where it is", () => {
  expect(() => parseYaml("a: 1\nb: c: d\n")).toThrow(/ at line 2, column 4: b: c: d$/);
  // Minutes, were each of them described with its line.
  const anchors = Array.from({ length: 40_000 }, (_unused, index) => `&a${index} `).join("");
  for (const text of [anchors, "!a ".repeat(40_000), `[${",".repeat(40_000)}]`])
    expect(() => parseYaml(text)).toThrow(/not YAML: .{1,80} at line 1, column \d: .{1,80}$/);
});
