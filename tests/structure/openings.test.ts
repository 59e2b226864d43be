// Every file of code says at its head what it is: whoever opens one knows whether it is the right one.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

test("every file of code opens with a comment", () => {
  const listed = spawnSync("git", ["ls-files", "*.ts", "*.mjs", "*.cjs", "*.js"], {
    cwd: root,
    encoding: "utf8",
  }).stdout;
  // Git lists what was moved a moment ago, too.
  const files = listed.split("\n").filter((file) => file !== "" && existsSync(join(root, file)));
  expect(files.length).toBeGreaterThan(500);
  expect(files.filter((file) => !/^(\/\/|\/\*|#!)/.test(readFileSync(join(root, file), "utf8")))).toEqual([]);
});
