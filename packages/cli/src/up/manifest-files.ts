// Which files of a folder are manifests, and what a package names as its program that isn't there. Reads package.json alone.
import { existsSync, readFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";

const manifests = new Set([".yaml", ".yml", ".json"]);
const others = new Set(["package.json", "package-lock.json", "tsconfig.json", "wherry.yaml"]);

export const isManifestFile = (file: string): boolean => manifests.has(extname(file)) && !others.has(file);

/** `"wherry": "main.ts"`, if there is no such file; undefined: nothing is named, or it is there, or the package can't be read. */
export function missingEntry(folder: string): string | undefined {
  try {
    const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, unknown> | null;
    const field = ["wherry", "main"].find((name) => typeof about?.[name] === "string");
    const named = field === undefined ? undefined : about?.[field];
    if (typeof named !== "string" || existsSync(resolve(folder, named))) return undefined;
    return `"${field ?? ""}": ${JSON.stringify(named)}`;
  } catch {
    return undefined;
  }
}
