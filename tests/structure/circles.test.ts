// Imports within a package point one way: whoever reads a file may read what it imports first, and comes to an end. Types count as
// values do, and so does what is loaded later by `import()`. Between packages, project references see to the same.
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

/** Circles that are meant, each with its reason. */
const meant: readonly string[] = [
  // An attempt says at which endpoint it is, an endpoint which attempts are there: one thing, seen from both ends.
  "packages/service/src/client/call.ts, packages/service/src/client/endpoint.ts",
];

const root = join(import.meta.dirname, "../..");
const packages = globSync("packages/*", { cwd: root });

test.each(packages)("no file of %s imports itself by way of others", (path) => {
  const files = globSync(`${path}/src/**/*.ts`, { cwd: root });
  expect(files.length).toBeGreaterThan(0);
  const circles = circlesOf(new Map(files.map((file) => [file, importsOf(file, textOf(file))])));
  expect(circles.filter((circle) => !meant.includes(circle))).toEqual([]);
});

test("every circle that is meant is there still", () => {
  for (const circle of meant) {
    const files = circle.split(", ");
    expect(circlesOf(new Map(files.map((file) => [file, importsOf(file, textOf(file))])))).toEqual([circle]);
  }
});

test("a circle is found however its files import each other", () => {
  const files = {
    "a.ts": `import { b } from "./b.ts";`,
    "b.ts": `export type { C } from "./deep/c.ts";`,
    "deep/c.ts": `export const later = () => import("./d.ts");`,
    "deep/d.ts": `export type A = import("../a.ts").A;`,
    "e.ts": `import { a } from "./a.ts"; import "node:fs"; import "@wherry/core";`,
  };
  const imports = new Map(Object.entries(files).map(([path, text]) => [path, importsOf(path, text)]));
  expect(circlesOf(imports)).toEqual(["a.ts, b.ts, deep/c.ts, deep/d.ts"]);
});

function textOf(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

/** The files of its own package that a file names. */
function importsOf(file: string, text: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const named = moduleOf(node);
    if (named?.startsWith(".") === true) found.push(join(dirname(file), named));
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
  return found;
}

function moduleOf(node: ts.Node): string | undefined {
  let named: ts.Node | undefined;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) named = node.moduleSpecifier;
  else if (ts.isImportTypeNode(node)) named = ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) named = node.arguments[0];
  return named !== undefined && ts.isStringLiteral(named) ? named.text : undefined;
}

/** Files that come back to each other, a line for each circle (Tarjan's strongly connected components). */
function circlesOf(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const circles: string[] = [];
  const order = new Map<string, number>();
  const path: string[] = [];
  /** @returns the earliest file on the path that this one comes back to. */
  const walk = (file: string): number => {
    const place = order.size;
    let earliest = place;
    order.set(file, place);
    path.push(file);
    for (const next of imports.get(file) ?? []) {
      if (!imports.has(next)) continue;
      const known = order.get(next);
      if (known === undefined) earliest = Math.min(earliest, walk(next));
      else if (path.includes(next)) earliest = Math.min(earliest, known);
    }
    if (earliest === place) {
      const circle = path.splice(path.indexOf(file));
      if (circle.length > 1) circles.push(circle.sort().join(", "));
    }
    return earliest;
  };
  for (const file of imports.keys()) if (!order.has(file)) walk(file);
  return circles;
}
