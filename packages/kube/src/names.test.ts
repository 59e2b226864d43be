// Which names, labels and keys are allowed, and how names are made: Kubernetes' rules and texts.
import { SeededRandom } from "@wherry/core";
import { expect, test } from "vitest";
import * as names from "./names.ts";

test("names follow the DNS rules", () => {
  for (const good of ["a", "my-name", "123-abc", "a".repeat(63)]) expect(names.isDnsLabel(good), good).toBe(true);
  for (const bad of ["", "-a", "a-", "A", "a.b", "a_b", "../x", "__proto__", "a".repeat(64), "a\n"])
    expect(names.isDnsLabel(bad), bad).toBe(false);
  expect(names.isDnsSubdomain("example.com")).toBe(true);
  for (const bad of ["a..b", ".a", "a.", "../etc", "a/b", "a".repeat(254)])
    expect(names.isDnsSubdomain(bad), bad).toBe(false);
  expect(names.isDns1035Label("1a")).toBe(false);
});

test("label keys may have a prefix, values may be empty", () => {
  for (const good of ["app", "app.kubernetes.io/name", "A_b.c-1"]) expect(names.isLabelKey(good), good).toBe(true);
  for (const bad of ["", "/a", "a/", "a/b/c", "-a", "a b", "x".repeat(64), `${"a".repeat(254)}/b`])
    expect(names.isLabelKey(bad), bad).toBe(false);
  expect(names.isLabelValue("")).toBe(true);
  expect(names.isLabelValue("a".repeat(64))).toBe(false);
});

test("keys of a ConfigMap stay inside a folder", () => {
  for (const good of ["a", "app.properties", ".profile", "_x"]) expect(names.isConfigKey(good), good).toBe(true);
  for (const bad of ["", ".", "..", "..a", "a/b", "../x", "a\u0000", "a".repeat(254)])
    expect(names.isConfigKey(bad), bad).toBe(false);
});

test("a refused name says the rule; a huge one does not cost more than a look at its length", () => {
  expect(names.nameProblems("subdomain", "Foo")).toHaveLength(1);
  expect(names.nameProblems("label", "a".repeat(300))).toEqual(["must be no more than 63 bytes"]);
  expect(names.nameProblems("label", "a-".repeat(1_000_000))).toHaveLength(1);
});

test("generated names are cut to fit a label and use the alphabet without vowels", () => {
  const random = new SeededRandom(1);
  const name = names.generateName("x".repeat(100), random);
  expect(name).toHaveLength(63);
  for (const character of names.nameSuffix(random, 200)) expect(names.nameAlphabet).toContain(character);
});

test("a template's hash ignores the order of fields and changes with the collision count", () => {
  const hash = names.templateHash({ a: 1, b: 2 });
  expect(names.templateHash({ b: 2, a: 1 })).toBe(hash);
  expect(names.templateHash({ a: 1, b: 3 })).not.toBe(hash);
  expect(names.templateHash({ a: 1, b: 2 }, 1)).not.toBe(hash);
  expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
});
