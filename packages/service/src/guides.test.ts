// The programs of docs/guides/composing.md run, and do what it says.
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, expect, test } from "vitest";
import { startChild, stopChildren } from "./testing/child.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "wherry-guide-"));
symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
const page = readFileSync(join(root, "docs/guides/composing.md"), "utf8");
for (const [, text = ""] of page.matchAll(/```ts\n(.*?)```/gs)) {
  const name = /^\/\/ (\S+\.ts)\n/.exec(text)?.[1];
  if (name !== undefined) writeFileSync(join(folder, name), text);
}
const program = (name: string): string => `await import(${JSON.stringify(join(folder, name))});`;

afterEach(stopChildren);
afterAll(() => rmSync(folder, { recursive: true }));

test("a contract's service and client work together", async () => {
  const served = startChild({ program: program("shop-service.ts") });
  const { endpoint } = await served.listening;
  const client = startChild({ program: program("shop-client.ts"), args: [endpoint] });
  expect(await client.exit, client.stderr()).toEqual({ code: 0, signal: null });
  expect(client.other).toEqual(["2", "0"]);
  expect(served.records).toContainEqual(expect.objectContaining({ msg: "sold", count: 2, gift: false }));
});
