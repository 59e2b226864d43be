// Why a pod does not start, told from its log: the error itself first, not the frames below it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { explainLog } from "./explain.ts";
import { packagesOf } from "./workspace.ts";

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

test.each([
  ["zod", "it is not installed: npm install zod"],
  ["zod/mini", "it is not installed: npm install zod"],
  // It has been a slip of the finger, perhaps.
  ["zdo", "it is not installed; did you mean zod? Else: npm install zdo"],
  [
    "@acme/stok",
    "no package of this project's workspaces is called so; did you mean @acme/stock? There are: @acme/stock",
  ],
  ["@acme/ledger", "no package of this project's workspaces is called so; there are: @acme/stock"],
  ["@acme/stock", /^@acme\/stock is a package of this project's workspaces that is not linked yet: npm install,/],
  ["@other/stok", "it is not installed: npm install @other/stok"],
])("of a package %s that is missing, what is most likely to be done", (name, hint) => {
  const packages = (from: string): ReturnType<typeof packagesOf> => {
    expect(from).toBe("/srv/shop.ts");
    return { workspaces: ["@acme/stock"], installed: name.startsWith("zod") ? [] : ["zod"] };
  };
  const log = [`Error [ERR_MODULE_NOT_FOUND]: Cannot find package '${name}' imported from /srv/shop.ts`, ...stack];
  const said = explainLog(log, packages).at(-1);
  expect(said).toEqual(typeof hint === "string" ? `  hint: ${hint}` : expect.stringMatching(/^ {2}hint: /));
  if (typeof hint !== "string") expect(said?.replace("  hint: ", "")).toMatch(hint);
});

test("a project's packages are those of its workspaces, and what it depends on", () => {
  const folder = mkdtempSync(join(tmpdir(), "wherry-explain-"));
  const write = (path: string, content: object): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), JSON.stringify(content));
  };
  try {
    write("package.json", { workspaces: ["packages/*"], devDependencies: { vitest: "5" } });
    write("packages/stock/package.json", { name: "@acme/stock" });
    write("packages/shop/package.json", { name: "@acme/shop", dependencies: { zod: "4" } });
    expect(packagesOf(join(folder, "packages/shop/src/shop.ts"))).toEqual({
      workspaces: ["@acme/shop", "@acme/stock"],
      installed: ["zod", "vitest"],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
  expect(packagesOf("/no/such/file.ts")).toEqual({ workspaces: [], installed: [] });
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
