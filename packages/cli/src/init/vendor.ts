// The packed packages of Wherry that a new service takes along, for as long as no registry has them: `npm run pack` makes them in a checkout
// of Wherry, `wherry init --from` copies them into the service's `vendor/`. So `npm ci`, the image and CI need nothing but the service's folder.
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { usageError } from "../errors.ts";

/** What a running service needs, and what its developer needs on top. */
const needed = {
  dependencies: ["@wherry/core", "@wherry/kube", "@wherry/service", "@wherry/zmtp"],
  devDependencies: ["@wherry/cluster", "wherry"],
} as const;

export interface Vendored {
  readonly folder: string;
  /** The tarball of each package. */
  readonly files: ReadonlyMap<string, string>;
}

/** The packages in `folder`, the newest of each. @throws CliError usage, when one is missing */
export function findPacked(folder: string, shown: string): Vendored {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const why = { ENOENT: "there is no such folder", ENOTDIR: "it is no folder" }[code] ?? message;
    throw usageError(
      `--from ${shown} can't be read: ${why}. Expected the one that "npm run pack" fills in a checkout of Wherry, its build/`,
    );
  }
  const files = new Map<string, string>();
  for (const name of names.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }))) {
    const [, short = ""] = /^wherry(|-[a-z]+)-\d.*\.tgz$/.exec(name) ?? [undefined, "none"];
    if (short !== "none") files.set(short === "" ? "wherry" : `@wherry/${short.slice(1)}`, name);
  }
  const missing = Object.values(needed)
    .flat()
    .filter((name) => !files.has(name));
  if (missing.length > 0)
    throw usageError(
      `--from ${shown} has no package ${missing.join(", ")}: expected the folder that "npm run pack" fills in a checkout of Wherry, its build/`,
    );
  return { folder, files };
}

export function copyPacked({ folder, files }: Vendored, into: string): void {
  mkdirSync(into, { recursive: true });
  for (const name of files.values()) copyFileSync(join(folder, name), join(into, name));
}

/** What package.json says of them: all are named, so that none is asked of a registry. */
export function dependenciesOf(version: string, packed: Vendored | undefined): Record<keyof typeof needed, object> {
  if (packed === undefined)
    return { dependencies: { "@wherry/service": `^${version}` }, devDependencies: { wherry: `^${version}` } };
  const of = (names: readonly string[]): object =>
    Object.fromEntries(names.map((name) => [name, `file:vendor/${packed.files.get(name) ?? ""}`]));
  return { dependencies: of(needed.dependencies), devDependencies: of(needed.devDependencies) };
}
