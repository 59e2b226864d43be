// docs/reference/limits.md is what the code says.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { commentsOf, limitsPage, pagePath } from "../../scripts/limits-page.ts";

test("the limits' page is that of the code; `npm run generate:limits` writes it", async () => {
  expect(readFileSync(pagePath, "utf8")).toBe(await limitsPage());
});

test("every limit says what it is", async () => {
  const page = await limitsPage();
  expect(page).toContain("| `bodyBytesMax` | 8_388_608 | Bytes of one request's or reply's body. |");
  expect(page.split("\n").filter((line) => /\| *\|$/.test(line) && line.startsWith("| `"))).toEqual([]);
});

test("names under one comment share it, a blank line ends it", () => {
  const source = `/** Pauses,\n * in milliseconds. */\nexport const firstMs = 1;\nexport const lastMs: number = 2;\n\nexport const other = 3; // bytes\n`;
  expect([...commentsOf(source)]).toEqual([
    ["firstMs", "Pauses, in milliseconds."],
    ["lastMs", "Pauses, in milliseconds."],
    ["other", "bytes"],
  ]);
});
