// Where the file is that a package's name leads to, if it is the project's own: of a workspace, which node_modules links to, or of the
// package itself (`#lib`). What is installed is the lock file's business. Reads package.json; runs nothing.
import { existsSync, globSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

interface Manifest {
  readonly exports?: unknown;
  readonly imports?: unknown;
  readonly main?: unknown;
  readonly name?: unknown;
  readonly workspaces?: unknown;
  readonly dependencies?: unknown;
  readonly devDependencies?: unknown;
  readonly peerDependencies?: unknown;
}

/** Conditions that hold for a program that Node runs as a module. */
const conditions = new Set(["node", "import", "module-sync", "default"]);
/** Of the framework itself: no part of the user's program, wherever it lies. */
const framework = "@wherry/";

export const packageName = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

/** @param from the importing file. @returns an absolute path; undefined for what is installed, built in, or not found */
export function ownFile(specifier: string, from: string): string | undefined {
  if (specifier.startsWith("#")) {
    const folder = findUp(from, (at) => existsSync(join(at, "package.json")));
    return folder === undefined ? undefined : fileIn(folder, targetOf(readManifest(folder).imports, specifier));
  }
  const name = packageName(specifier);
  const folder = name.startsWith(framework) ? undefined : packageFolder(name, from);
  if (folder === undefined || `${folder}/`.includes("/node_modules/")) return undefined;
  const manifest = readManifest(folder);
  const subpath = `.${specifier.slice(name.length)}`;
  if (manifest.exports !== undefined) return fileIn(folder, targetOf(manifest.exports, subpath));
  if (subpath !== ".") return fileIn(folder, subpath);
  return fileIn(folder, typeof manifest.main === "string" ? manifest.main : "index.js");
}

/** Whether Node would find the package from there, by the folders that it looks in. */
export const isInstalled = (name: string, from: string): boolean => packageFolder(name, from) !== undefined;

/** Whether a package that is installed says that it needs another one. */
export function dependsOn(name: string, other: string, from: string): boolean {
  const folder = packageFolder(name, from);
  if (folder === undefined) return false;
  const { dependencies, peerDependencies } = readManifest(folder);
  return [dependencies, peerDependencies].some((all) => typeof all === "object" && all !== null && other in all);
}

/** What a file may import by name: packages of its project's workspaces, and what its own and its project's package.json depend on. */
export function packagesOf(from: string): {
  readonly workspaces: readonly string[];
  readonly installed: readonly string[];
} {
  const own = findUp(from, (at) => existsSync(join(at, "package.json")));
  const root = findUp(from, (at) => patternsOf(readManifest(at)).length > 0);
  const manifests = [own, root].filter((folder) => folder !== undefined).map(readManifest);
  const folders = root === undefined ? [] : globSync(patternsOf(readManifest(root)), { cwd: root }).sort();
  const names = folders.map((folder) => readManifest(join(root ?? "", folder)).name);
  return {
    workspaces: names.filter((name) => typeof name === "string"),
    installed: manifests.flatMap(({ dependencies, devDependencies }) =>
      [dependencies, devDependencies].flatMap((all) => (isRecord(all) ? Object.keys(all) : [])),
    ),
  };
}

/** `workspaces: [...]`, or `{ packages: [...] }`. */
function patternsOf({ workspaces }: Manifest): string[] {
  const given = isRecord(workspaces) ? workspaces["packages"] : workspaces;
  return Array.isArray(given) ? given.filter((pattern) => typeof pattern === "string") : [];
}

function packageFolder(name: string, from: string): string | undefined {
  const has = (at: string): boolean => existsSync(join(at, "node_modules", name, "package.json"));
  const folder = findUp(from, has);
  return folder === undefined ? undefined : realpathSync(join(folder, "node_modules", name));
}

/** The nearest folder above a file that is as wanted. */
function findUp(from: string, wanted: (folder: string) => boolean): string | undefined {
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    if (wanted(folder)) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

function readManifest(folder: string): Manifest {
  try {
    return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) ?? {}) as Manifest;
  } catch {
    return {};
  }
}

/** By Node's rules: the exact key, else the pattern with the longest beginning. https://nodejs.org/api/packages.html#subpath-patterns */
function targetOf(map: unknown, key: string): string | undefined {
  if (!isRecord(map) || !Object.keys(map).some((name) => /^[.#]/.test(name)))
    return key === "." ? conditional(map) : undefined;
  if (key in map) return conditional(map[key]);
  const patterns = Object.keys(map).filter((name) => name.includes("*"));
  for (const pattern of patterns.sort((a, b) => b.indexOf("*") - a.indexOf("*"))) {
    const [start = "", end = ""] = pattern.split("*");
    if (!key.startsWith(start) || !key.endsWith(end) || key.length < pattern.length) continue;
    return conditional(map[pattern])?.replaceAll("*", key.slice(start.length, key.length - end.length));
  }
  return undefined;
}

function conditional(target: unknown): string | undefined {
  if (typeof target === "string") return target;
  if (!isRecord(target)) return undefined;
  for (const [condition, one] of Object.entries(target)) {
    const found = conditions.has(condition) ? conditional(one) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function fileIn(folder: string, target: string | undefined): string | undefined {
  if (target === undefined) return undefined;
  const path = resolve(folder, target);
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  return isFile && path.startsWith(`${folder}/`) ? path : undefined;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
