// docs/guides/encryption.md, as a reader follows it at the command line: its commands run, in its order, in a folder that has the
// repository's packages. Its programs are run by packages/service/src/guides.test.ts.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runGuideLine } from "../support/guide-lines.ts";
import { root, Session } from "../support/session.ts";

const session = new Session();
const folder = join(session.home, "repository");
const guide = readFileSync(join(root, "docs/guides/encryption.md"), "utf8");

beforeAll(() => {
  mkdirSync(folder);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }');
  const [, vault = ""] = /```ts\n(\/\/ vault\.ts\n.*?)```/s.exec(guide) ?? [];
  writeFileSync(join(folder, "vault.ts"), vault);
});
afterAll(() => session.close());

test("a service under wherry up encrypts, and the command line has keys for it", async () => {
  const blocks = [...guide.matchAll(/```sh\n(.*?)```/gs)].map(([, text = ""]) => text.trim().split("\n"));
  const lines = blocks.flat().filter((line) => !line.startsWith("node "));
  expect(lines.length).toBeGreaterThan(8);
  for (const line of lines) await runGuideLine(session, folder, line);
});
