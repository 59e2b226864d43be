// Writes docs/reference/zmtp-interoperability.md from a run of the matrix. `npm run interoperability -w packages/zmtp`
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderPage } from "../packages/zmtp/src/matrix/cases.suite.ts";
import { findPython } from "../packages/zmtp/src/matrix/python.suite.ts";

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}

const root = fileURLToPath(new URL("..", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "zmtp-matrix-"));
const report = join(directory, "report.json");
const vitest = join(root, "node_modules/vitest/vitest.mjs");
const args = [vitest, "run", "packages/zmtp/src/matrix/matrix.test.ts", "--reporter=json", `--outputFile=${report}`];
try {
  // A page without them would say that they fail.
  if (findPython() === undefined) throw new Error("the page is written with pyzmq only: apt-get install python3-zmq");
  spawnSync(process.execPath, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  const cases = testResults.flatMap((file) => file.assertionResults);
  const passed = new Map(cases.map(({ title, status }) => [title, status === "passed"]));
  writeFileSync(join(root, "docs/reference/zmtp-interoperability.md"), renderPage(passed));
  const failed = cases.filter(({ title, status }) => status !== "passed" && !title.startsWith("the page"));
  for (const { title } of failed) console.error(`failed: ${title}`);
  console.log(`${cases.length - 1} cases, ${failed.length} failed; the page is written`);
  process.exitCode = failed.length > 0 ? 1 : 0;
} finally {
  rmSync(directory, { recursive: true });
}
