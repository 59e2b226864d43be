// What a service file consists of: the file, and every file that it reaches by relative imports and by those of the project's own packages
// (workspaces). Its hash goes into the pod template, so that an edited file is a new version, which rolls out as any other. Packages that
// are installed are not looked into: their versions are the lock file's business. Finds imports by their look, never runs or parses the
// code: one in a comment costs a needless file in the hash, and a computed one is not seen (`kubectl rollout restart` rolls it out).
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { cliLimits } from "../limits.ts";
import { dependsOn, ownFile, packageName } from "./workspace.ts";

export interface Content {
  /** Hex; the same for the same files at the same places to each other, wherever they are. */
  readonly hash: string;
  /** Packages that any of the files imports: `@wherry/service`, `zod`. */
  readonly packages: ReadonlySet<string>;
  /** It asks for HTTP: `run(shop, { http: true })`, or a method with an `http` address. */
  readonly http: boolean;
  /**
   * The name of the one service that is made: `service("shop", …)`. `unknown`: one is made of a contract, or somewhere else, in a package;
   * `several`: `run([shop, stock])`, or more than one is made. Then the program itself knows. Undefined: none is run.
   */
  readonly service: { readonly name: string } | "unknown" | "several" | undefined;
}

/** `from "x"`, `import "x"`, `import("x")`, `require("x")`, `new URL("x", import.meta.url)`. */
const specifiers = /(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\(|\bnew\s+URL\s*\()\s*["']([^"'\n]+)["']/g;
const endings = ["", ".ts", ".mts", ".js", ".mjs", ".cjs", ".json", "/index.ts", "/index.js"] as const;

/** `http: true`, `http: { … }`, `http: "GET /stock"`, `http: ["GET …"]`; not in a comment's line. */
const asksForHttp = /^(?!\s*(?:\/\/|\*)).*\bhttp\s*:\s*(?:true\b|\{|\[?\s*["'`](?:GET|POST|PUT|PATCH|DELETE) )/m;

const framework = "@wherry/service";
const runs = /\brun\s*\(/;
const runsSeveral = /\brun\s*\(\s*\[/;

/** The names of the services that the text makes, by whatever name `service` was imported; undefined for one that is no plain text. */
function servicesMade(text: string): (string | undefined)[] {
  const makers = ["service", ...[...text.matchAll(/\bservice\s+as\s+(\w+)/g)].map(([, name = ""]) => name)];
  const made = new RegExp(`(?<![.\\w$])(?:${makers.join("|")})\\s*\\(\\s*(?:(["'\`])([a-z0-9-]{1,63})\\1)?`, "g");
  return [...text.matchAll(made)].map(([, , name]) => name);
}

/** @param elsewhere what is run was imported */
function serviceOf(
  made: readonly (string | undefined)[],
  { several, elsewhere }: { readonly several: boolean; readonly elsewhere: boolean },
): Content["service"] {
  if (several || made.length > 1) return "several";
  if (made.length === 0) return elsewhere ? "unknown" : undefined;
  return made[0] === undefined ? "unknown" : { name: made[0] };
}

/** @param script an absolute path. A file that can't be read is left out: the pod says what is wrong with it. */
export function contentOf(script: string): Content {
  const texts = new Map<string, string>();
  const packages = new Set<string>();
  const open = [script];
  let http = false;
  let [several, runsOne] = [false, false];
  const made: (string | undefined)[] = [];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (texts.has(path) || texts.size >= cliLimits.contentFilesMax) continue;
    const text = readText(path);
    texts.set(path, text);
    http ||= asksForHttp.test(text);
    several ||= runsSeveral.test(text);
    runsOne ||= runs.test(text);
    // Of a function that is only called so, nothing is known.
    if (text.includes(framework)) made.push(...servicesMade(text));
    for (const [, specifier = ""] of text.matchAll(specifiers)) {
      if (/^\.{1,2}\//.test(specifier)) open.push(...found(resolve(dirname(path), specifier)));
      else {
        const own = ownFile(specifier, path);
        if (own === undefined) packages.add(packageName(specifier));
        else open.push(own);
      }
    }
  }
  const hash = createHash("sha256");
  for (const path of [...texts.keys()].sort())
    hash.update(`${relative(dirname(script), path)}\0${texts.get(path) ?? ""}\0`);
  const uses = [...packages].some((name) => name === framework || dependsOn(name, framework, script));
  const service = serviceOf(made, { several, elsewhere: runsOne && uses });
  return { hash: hash.digest("hex").slice(0, 16), packages, http, service };
}

function found(path: string): string[] {
  const match = endings.map((ending) => path + ending).find((candidate) => isFile(candidate));
  return match === undefined ? [] : [match];
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

function readText(path: string): string {
  try {
    return statSync(path).size > cliLimits.contentFileBytesMax ? "" : readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
