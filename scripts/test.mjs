// `npm test`: installs what is missing, unpacks kubectl, runs every test, and ends with a line `N passed, N failed, N skipped`.
// Plain JavaScript: it must run before anything is installed. Arguments go to vitest: `npm test -- packages/zmtp`.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");

if (!existsSync(join(bin, "vitest"))) {
  console.log("npm test: dependencies are missing, running npm ci");
  const install = spawnSync("npm", ["ci"], { cwd: root, stdio: "inherit" });
  if (install.status !== 0) process.exit(install.status ?? 1);
}
const { kubectlPath } = await import("./kubectl.mjs");
kubectlPath();

// The repository's own Node first, whatever the machine has.
const scratch = mkdtempSync(join(tmpdir(), "wherry-test-"));
const results = join(scratch, "results.json");
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, TMPDIR: scratch };
const vitest = spawnSync(
  "vitest",
  ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${results}`, ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit", env },
);

let exitCode = vitest.status ?? 1;
const left = leftovers();
if (left.length > 0) {
  console.log(`\nnpm test: processes were left behind:\n${left.join("\n")}`);
  exitCode = 1;
}
if (existsSync(results)) {
  const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(results, "utf8"));
  for (const file of testResults)
    for (const test of file.assertionResults)
      if (test.status === "pending" || test.status === "skipped") console.log(`SKIPPED: ${test.fullName}`);
  console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
}
rmSync(scratch, { recursive: true, force: true });
process.exit(exitCode);

/** Every process that a test starts has this run's scratch folder in its environment (TMPDIR); none may outlive the run. */
function leftovers() {
  const found = spawnSync("sh", ["-c", 'grep -lsa -- "$0" /proc/[0-9]*/environ', scratch], { encoding: "utf8" });
  return found.stdout
    .split("\n")
    .map((line) => /^\/proc\/(\d+)\//.exec(line)?.[1])
    .filter((pid) => pid !== undefined && Number(pid) !== process.pid && existsSync(`/proc/${pid}`))
    .map((pid) => {
      try {
        return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")}`;
      } catch {
        return "";
      }
    })
    .filter((line) => line !== "" && !line.includes("grep -lsa"));
}
