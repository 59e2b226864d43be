// The check behind every test of this package: it can fail, and no file goes without it.
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { until } from "./harness.suite.ts";
import { leftovers, open } from "./leftovers.suite.ts";

it("sees a timer, a listening socket and a listener on the process, until they have gone", async () => {
  const before = open();
  const timer = setTimeout(() => undefined, 60_000);
  const listening = createServer().listen(0, "127.0.0.1");
  const listener = (): void => undefined;
  process.on("SIGUSR2", listener);
  try {
    await new Promise((resolve) => listening.once("listening", resolve));
    const seen = leftovers(before).join();
    expect(seen).toContain("timer: 1");
    expect(seen).toContain("TCPServerWrap: 1");
    expect(seen).toContain("process.on SIGUSR2: 1");
  } finally {
    clearTimeout(timer);
    listening.close();
    process.off("SIGUSR2", listener);
  }
  await until(() => !/timer|TCPServerWrap|SIGUSR2/.test(leftovers(before).join()));
});

it("stands behind every test file", () => {
  const folder = import.meta.dirname;
  const imports = (file: string): string[] =>
    [...readFileSync(file, "utf8").matchAll(/(?:from|import) "(\.[^"]+\.suite\.ts)"/g)].map(([, path = ""]) =>
      join(dirname(file), path),
    );
  const checks = (file: string): boolean =>
    imports(file).some((one) => one.endsWith("leftovers.suite.ts") || checks(one));
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts"));
  expect(files.length).toBeGreaterThan(20);
  expect(files.filter((name) => !checks(join(folder, name)))).toEqual([]);
});
