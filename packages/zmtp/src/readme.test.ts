// The README's programs run, and print what their comments say.
import "./leftovers.suite.ts";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const programs = [...readme.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? "");

it.each([
  ["first", 0, ["sent", "[ 'hello', 'world' ]", "{ undelivered: 0 }"]],
  ["second", 1, ["no-peer", "sent", "weather.paris: sun"]],
  ["third", 2, ["2 + 2 = 4"]],
  ["fourth", 3, ["7", "0"]],
] as const)("the %s program of the README", (_, index, lines) => {
  const ran = spawnSync(process.execPath, ["--input-type=module-typescript", "-"], {
    cwd: packageFolder,
    input: programs[index] ?? "",
    encoding: "utf8",
    timeout: 60_000,
  });
  expect(ran.stderr).toBe("");
  expect(ran.stdout.trim().split("\n")).toEqual([...lines]);
  expect(ran.status).toBe(0);
});

it("has no other program", () => {
  expect(programs.length).toBe(4);
});

it("names a test for each line of the table, which exists under that title", () => {
  const named = [...readme.matchAll(/\| `([a-z/-]+\.test\.ts)`: (.*?) \|$/gm)];
  const table = readme.split("| with zeromq.js 6 |")[1]?.trim().split("\n") ?? [];
  // Behind the head and its rule.
  expect(named.length).toBe(table.length - 2);
  for (const [, file = "", title = ""] of named)
    expect(titlesOf(readFileSync(new URL(file, import.meta.url), "utf8")), file).toContainEqual(
      expect.stringContaining(title),
    );
});

/** Strings that stand before a test's function. */
function titlesOf(source: string): string[] {
  return [...source.matchAll(/"([^"\n]+)",\s*(?:async )?\(/g)].map((match) => match[1] ?? "");
}
