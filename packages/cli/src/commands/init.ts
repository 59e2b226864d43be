// `wherry init NAME`: a new service in a folder of its own. Writes files, once; overwrites nothing, installs nothing.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Context } from "../context.ts";
import { usageError } from "../errors.ts";
import { scaffold } from "../init/scaffold.ts";
import { copyPacked, findPacked } from "../init/vendor.ts";

export interface InitOptions {
  readonly http?: true;
  /** The folder with the packed packages. */
  readonly from?: string;
}

/** @throws CliError usage: a name that is no DNS label, or a folder that is there, or packages that are nowhere */
export function init(name: string, options: InitOptions, context: Context): number {
  // A Service's name is an RFC 1035 label.
  if (!/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
    throw usageError(
      `a service's name is its DNS name: expected lower case letters, digits and "-", starting with a letter, got ${JSON.stringify(name)}${name.includes("/") ? "; a path is not taken: go to the folder that shall have it, and give the name alone" : ""}`,
    );
  const folder = join(context.cwd, name);
  if (existsSync(folder))
    throw usageError(`there is a ${name} already, and nothing is overwritten: choose another name`);
  const packed = options.from === undefined ? undefined : findPacked(resolve(context.cwd, options.from), options.from);
  // In the repository itself, and in a workspace that has them, the packages are there, and `npm install` would ask the registry.
  const isInstalled = packed === undefined && isFound("@wherry/service", folder);
  if (packed === undefined && !isInstalled)
    throw usageError(
      `npm's registry does not have Wherry's packages yet, so that "npm install" could not succeed: in a checkout of Wherry, "npm run pack"; then, here: ${context.self} init ${name}${options.http === true ? " --http" : ""} --from CHECKOUT/build`,
    );
  const written = scaffold(name, { http: options.http === true, version: context.version, packed });
  for (const [path, text] of written) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { flag: "wx" });
  }
  if (packed !== undefined) copyPacked(packed, join(folder, "vendor"));
  // Installed beside the service, however this command was found.
  const call = `npx wherry call ${name} greet '{"name":"you"}'`;
  context.terminal.note(`made ${name}/. Next:`);
  for (const line of [
    `cd ${name}${isInstalled ? "" : " && npm install"}`,
    "npm test",
    `npx wherry up . --detach && ${call}`,
  ])
    context.terminal.note(`  ${line}`);
  return 0;
}

function isFound(name: string, folder: string): boolean {
  try {
    return findPackageJSON(name, pathToFileURL(join(folder, "main.ts"))) !== undefined;
  } catch {
    return false;
  }
}
