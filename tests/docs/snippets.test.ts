// The TypeScript of the pages that people copy from compiles, strictly.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../support/session.ts";

const pages = [
  "packages/service/README.md",
  "docs/guides/first-service.md",
  "docs/guides/logging.md",
  "docs/guides/calling.md",
  "docs/guides/composing.md",
  "docs/guides/configuration.md",
  "docs/guides/keyed-calls.md",
  "docs/guides/durable-calls.md",
  "docs/guides/encryption.md",
  "docs/guides/http.md",
  "docs/guides/streams.md",
  "docs/guides/testing.md",
  "docs/reference/errors.md",
];

test("the snippets of the service's pages compile", () => {
  const folder = mkdtempSync(join(tmpdir(), "wherry-snippets-"));
  try {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const base = join(root, "tsconfig.tests.json");
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ extends: base, include: ["."] }));
    let count = 0;
    for (const page of pages)
      for (const [, text = ""] of readFileSync(join(root, page), "utf8").matchAll(/```ts\n(.*?)```/gs)) {
        // Those of the guide import each other by the names that they begin with.
        const path = join(folder, /^\/\/ (\S+\.ts)\n/.exec(text)?.[1] ?? `snippet-${count}.ts`);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, text);
        count++;
      }
    expect(count).toBeGreaterThan(6);
    // What shows that anything is checked at all.
    writeFileSync(join(folder, "wrong.ts"), 'export const wrong: number = "text";\n');
    const tsc = spawnSync(join(root, "node_modules/.bin/tsc"), ["--project", folder], { encoding: "utf8" });
    expect(tsc.stdout.trim().split("\n")).toEqual([expect.stringMatching(/wrong\.ts\(1,14\): error TS2322/)]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
