// The README's table of capabilities: every line names tests, which exist under those titles.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const linesOf = (page: string): string[] => page.split("\n").filter((line) => /^\| \d+ \|/.test(line));
const numbered = (line: string): string => line.split(" | ").slice(0, 2).join(" | ");
const table = linesOf(read("../README.md").split("## Capabilities")[1] ?? "");

test("has 62 lines, the same as the page that compares", () => {
  expect(table.map((line) => Number(line.split(" ")[1]))).toEqual(Array.from({ length: 62 }, (_, index) => index + 1));
  expect(linesOf(read("../../../docs/reference/capabilities.md")).map(numbered)).toEqual(table.map(numbered));
});

describe("is proven by", () => {
  test.each(table.map((line) => [numbered(line), line] as const))("%s", (_name, line) => {
    const proofs = [...(line.split(" | ").at(-1) ?? "").matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)];
    expect(proofs.length).toBeGreaterThan(0);
    for (const [, title = "", file = ""] of proofs) expect(titlesOf(read(`../${file}`)), file).toContain(title);
  });
});

/** What tests are called, those of each row of a table too, and the chaos' scenarios. */
function titlesOf(source: string): string[] {
  const titles = /(?:\b(?:test|it)\(|\)\(|\bname:)\s*"([^"\n]+)",/g;
  return [...source.matchAll(titles)].map(([, title = ""]) => title);
}
