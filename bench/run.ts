// `npm run bench -- NAME [--quick] [--json FILE]`: runs one benchmark, prints its rows, writes them as JSON if asked.
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { tableOf } from "./table.ts";
import type { Bench } from "./types.ts";

/** Files beside this one that are no benchmarks. */
const others = new Set(["run", "table", "types"]);
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -3))
  .filter((name) => !others.has(name));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, json: { type: "string" } },
});
const [name] = positionals;
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME [--quick] [--json FILE]\nNAME is one of: ${names.join(", ")}`);
  process.exit(2);
}

const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown CPU"}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release()}`;
console.log(`${name} on ${machine}, Node ${process.versions.node}, commit ${commit()}\n`);
const { bench } = (await import(`./${name}.ts`)) as { bench: Bench };
const rows = await bench({ quick: values.quick, print: (line) => console.log(line) });
console.log("");
for (const line of tableOf(rows)) console.log(line);
if (values.json !== undefined)
  writeFileSync(
    values.json,
    `${JSON.stringify({ machine, node: process.versions.node, commit: commit(), rows }, null, 2)}\n`,
  );

function commit(): string {
  try {
    const read = (...args: string[]): string =>
      execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return read("rev-parse", "--short", "HEAD") + (read("status", "--porcelain") === "" ? "" : "+changes");
  } catch {
    return "unknown";
  }
}
