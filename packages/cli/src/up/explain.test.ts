// Why a pod does not start, told from its log: the error itself first, not the frames below it.
import { expect, test } from "vitest";
import { explainLog } from "./explain.ts";

const stack = Array.from({ length: 12 }, (_, index) => `    at frame${index} (node:internal/modules:${index}:1)`);

test("a program that ended names its error first, however long the stack below it is", () => {
  const log = [
    "starting",
    "node:internal/modules:1",
    "",
    "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'zod'",
    ...stack,
    "",
    "Node.js v24",
  ];
  const [deciding, title, ...rest] = explainLog(log);
  expect(deciding).toBe("  Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'zod'");
  expect(title).toBe("  its last log lines:");
  expect(rest[0]).toContain("Cannot find package 'zod'");
  expect(rest.at(-1)).toBe("  hint: it is not installed: npm install zod");
});

test("a syntax error says file and line", () => {
  const log = ["file:///srv/echo.ts:3", "const = 1;", "      ^", "", "SyntaxError: Unexpected token '='", ...stack];
  expect(explainLog(log)[0]).toBe("  SyntaxError: Unexpected token '=' (/srv/echo.ts:3)");
});

test("any other error says the line that its stack begins with, rather than where the framework threw it", () => {
  const log = [
    "file:///srv/node_modules/@wherry/service/dist/index.js:7",
    "  throw error;",
    "",
    "WherryError: service handlers: expected one for each method of the contract, got none for buy",
    "    at file:///srv/shop.ts:12:5",
    "    at ModuleJob.run (node:internal/modules/esm/module_job:345:25)",
  ];
  expect(explainLog(log)[0]).toMatch(/^ {2}WherryError: .* \(\/srv\/shop\.ts:12\)$/);
});

test("a fatal record is its message, then its stack", () => {
  const err = { type: "Error", message: "no", stack: "Error: no\n    at a (file:///a.ts:1:1)" };
  const log = [JSON.stringify({ level: "fatal", err, msg: "could not start: no" })];
  expect(explainLog(log)).toEqual([
    "  could not start: no",
    "  its last log lines:",
    "    FATAL could not start: no",
    "        at a (file:///a.ts:1:1)",
  ]);
});

test("an address that another pod has: says which one to bind", () => {
  for (const line of [
    "OSError: [Errno 98] Address already in use",
    "Error: listen EADDRINUSE: address already in use 0.0.0.0:80",
  ])
    expect(explainLog([line]).at(-1)).toMatch(/hint: .*\$POD_IP/);
  expect(explainLog(["quiet"])).toEqual(["  its last log lines:", "    quiet"]);
});
