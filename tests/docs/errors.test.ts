// docs/reference/errors.md, the codes in the packages' sources, and the types are the same.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { frameworkCodes } from "@wherry/service";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const sources = globSync("packages/*/src/**/*.ts", { cwd: root })
  .filter((path) => !/\.(test|suite)\.ts$|\/testing(\/|\.ts)/.test(path))
  // Comments show examples of codes that a user makes up.
  .map((path) => ({ path, text: readFileSync(join(root, path), "utf8").replace(/^\s*(\*|\/\/|\/\*).*$/gm, "") }));
const page = readFileSync(join(root, "docs/reference/errors.md"), "utf8");
const documented = [...page.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)].map((match) => match[1] ?? "");

/** Codes that the sources give to errors: `code: "X"`, also at the end of a condition. The operating system's own are no errors of ours. */
function codesOf(text: string): string[] {
  return [...text.matchAll(/\bcode: ?(?:[^,;{}"]*\? )?"([A-Z][A-Z0-9_]+)"(?: : "([A-Z][A-Z0-9_]+)")?/g)]
    .flatMap(([, first, second]) => [first, second])
    .filter((code) => code !== undefined && !/^E[A-Z]+$/.test(code)) as string[];
}
const thrown = sources.flatMap(({ text }) => codesOf(text));
const answered = sources.flatMap(({ path, text }) =>
  [...text.matchAll(/new ServiceError\(\s*"([A-Z0-9_]+)"/g)].map((match) => ({ path, code: match[1] ?? "" })),
);
/** Passed on through variables: what a daemon that could not start reports. BROKER_URL is an environment variable. */
const prefixes = /"(?!BROKER_URL")((?:ZMTP|SERVICE|BROKER|KUBE|AGENT|RUNTIME|DAEMON|NETWORK|STATE|STORE)_[A-Z0-9_]+)"/g;
const mentioned = sources.flatMap(({ text }) => [...text.matchAll(prefixes)].map((match) => match[1] ?? ""));

describe("the errors' page", () => {
  test("has every code of every package, once, and no other", () => {
    const known = [...new Set([...thrown, ...mentioned, ...Object.keys(frameworkCodes)])].sort();
    expect(documented.toSorted()).toEqual(known);
  });

  test("looks where errors are made", () => {
    expect(thrown).toEqual(
      expect.arrayContaining(["STORE_FAILED", "ZMTP_CLOSED", "KUBE_CONFIG", "SERVICE_BIND_FAILED"]),
    );
    expect(codesOf('{ code: full ? "A_FULL" : "A_FAILED" } { code: "EACCES" }')).toEqual(["A_FULL", "A_FAILED"]);
  });

  test("what the framework answers is a code of its type", () => {
    expect(answered.length).toBeGreaterThan(10);
    expect(answered.filter(({ code }) => !Object.hasOwn(frameworkCodes, code))).toEqual([]);
  });

  test("the protocol's page lists the same codes of calls", () => {
    const protocol = readFileSync(join(root, "docs/reference/protocol.md"), "utf8");
    const table = /## Error codes\n([^]*?)\n## /.exec(protocol)?.[1] ?? "";
    const codes = [...table.matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1]);
    expect(codes.toSorted()).toEqual(Object.keys(frameworkCodes).sort());
  });
});
