// docs/guides/configuration.md, as a reader follows it: its program is written, and each line of its shell says what the page says it does.
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { root, Session } from "../support/session.ts";

const session = new Session();
afterAll(() => session.close());

const guide = readFileSync(join(root, "docs/guides/configuration.md"), "utf8");
const program = /```ts\n(\/\/ greeter\.ts\n.*?)```/s.exec(guide)?.[1] ?? "";
const lines = [...guide.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, text = ""]) => text.trim().split("\n"));
const folder = session.home;
symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
writeFileSync(join(folder, "greeter.ts"), program);

test("each line says what it is told to say", async () => {
  expect(lines.length).toBeGreaterThan(8);
  for (const line of lines) {
    const [command = "", expected = ""] = line.split(/\s+# → /);
    const said = await session.start("bash", ["-c", `cd ${JSON.stringify(folder)} && ${command}`]).finished;
    expect({ command, said: said.stdout + said.stderr }).toMatchObject({ said: expect.stringContaining(expected) });
    const isMistake = /unknown|expected/.test(expected);
    expect(said.code, command).toBe(isMistake ? 2 : 0);
  }
});
