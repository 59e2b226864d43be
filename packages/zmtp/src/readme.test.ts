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
] as const)("the %s program of the README", (_, index, lines) => {
  const ran = spawnSync(process.execPath, ["--input-type=module-typescript", "-"], {
    cwd: packageFolder,
    input: programs[index] ?? "",
    encoding: "utf8",
    timeout: 10_000,
  });
  expect(ran.stderr).toBe("");
  expect(ran.stdout.trim().split("\n")).toEqual([...lines]);
  expect(ran.status).toBe(0);
});

it("has no other program", () => {
  expect(programs.length).toBe(3);
});

it("names tests that exist", () => {
  const named = [...readme.matchAll(/\| `([a-z/-]+\.test\.ts)`: (.*?) \|$/gm)];
  expect(named.length).toBe(23);
  for (const [, file = "", title = ""] of named)
    expect(readFileSync(new URL(file, import.meta.url), "utf8"), file).toContain(title);
});
