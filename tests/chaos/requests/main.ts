// `npm run chaos -- --seed N --duration 5m`: callers load a service through `wherry up` while everything befalls it that can befall a
// pod; then it is audited what became of each call. One summary line comes last; exit code 1 if anything was lost, done twice or
// told wrongly. `--scenario NAME` runs one alone. It never touches a cluster but its own.
import { parseArgs } from "node:util";
import { isClean, summary } from "./books.ts";
import { runChaos } from "./run.ts";
import { scenarios } from "./scenarios.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    duration: { type: "string", default: "5m" },
    scenario: { type: "string" },
    callers: { type: "string", default: "3" },
    concurrency: { type: "string", default: "30" },
  },
});

function millisecondsOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match === null) fail(`--duration: expected a number with ms, s, m or h, got ${JSON.stringify(text)}`);
  const [, number, unit = "s"] = match;
  return Number(number) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit as "ms" | "s" | "m" | "h"];
}

function wholeOf(flag: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) fail(`--${flag}: expected a whole number, got ${JSON.stringify(text)}`);
  return Number(text);
}

function fail(message: string): never {
  console.error(`chaos: ${message}`);
  process.exit(2);
}

const seed = values.seed === undefined ? Date.now() % 1_000_000 : wholeOf("seed", values.seed);
const chosen = values.scenario === undefined ? scenarios : scenarios.filter(({ name }) => name === values.scenario);
if (chosen.length === 0)
  fail(`--scenario: expected one of ${scenarios.map(({ name }) => `"${name}"`).join(", ")}, got "${values.scenario}"`);
const durationMs = millisecondsOf(values.duration);
const callers = wholeOf("callers", values.callers);
const concurrency = wholeOf("concurrency", values.concurrency);
console.log(`chaos: seed ${seed}, ${values.duration}, ${callers} callers of ${concurrency} calls each at a time`);
const say = (line: string): void => console.log(line);
const once = values.scenario !== undefined;
const verdict = await runChaos({
  ...{ seed, scenarios: chosen, brief: false, callers, concurrency, say },
  ...(once ? {} : { durationMs }),
});
for (const finding of verdict.findings) console.log(finding);
console.log(`chaos ${isClean(verdict) ? "passed" : "FAILED"}: seed ${seed}, ${summary(verdict)}`);
process.exitCode = isClean(verdict) ? 0 : 1;
