// docs/guides/first-service.md, as a reader follows it: its files are written and its commands run, in its order, in a folder
// that has the repository's packages.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runGuideLine } from "../support/guide-lines.ts";
import { root, Session } from "../support/session.ts";

const session = new Session();
const folder = join(session.home, "repository");
beforeAll(() => {
  mkdirSync(folder);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }');
});
afterAll(() => session.close());

const guide = readFileSync(join(root, "docs/guides/first-service.md"), "utf8");
const blocks = [...guide.matchAll(/```(ts|sh)\n(.*?)```/gs)].map(([, kind = "", text = ""]) => ({ kind, text }));

/** Writes the file that the block's first line names. */
function write(text: string): void {
  const path = join(folder, /^\/\/ (\S+)\n/.exec(text)?.[1] ?? "no-name");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

test("the guide's files and commands work, in its order", async () => {
  expect(blocks.filter(({ kind }) => kind === "sh").length).toBeGreaterThan(3);
  for (const { kind, text } of blocks) {
    if (kind === "ts") write(text);
    else for (const line of text.trim().split("\n")) await runGuideLine(session, folder, line);
  }
});
