// `npm run check`: everything about the code that a program can check, in the order in which it fails fastest.
import { spawnSync } from "node:child_process";

const steps = [
  ["format", "biome", ["format", "."]],
  ["types", "tsc", ["-b"]],
  ["tests' types", "tsc", ["-p", "tsconfig.tests.json"]],
  ["lint", "eslint", ["."]],
  ["unused", "knip", []],
];
const failed = [];
for (const [name, command, args] of steps) {
  console.log(`\n— ${name}: ${command} ${args.join(" ")}`);
  if (spawnSync(command, args, { stdio: "inherit" }).status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? "\ncheck: all clean" : `\ncheck: failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
