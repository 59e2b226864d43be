// `wherry init NAME`: a new service in a folder of its own. Writes files, once; overwrites nothing, installs nothing.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Context } from "../context.ts";
import type { CommonOptions } from "../common-options.ts";
import { usageError } from "../errors.ts";
import { scaffold } from "../init/scaffold.ts";

export interface InitOptions extends CommonOptions {
  readonly http?: true;
}

/** @throws CliError usage: a name that is no DNS label, or a folder that is there */
export function init(name: string, options: InitOptions, context: Context): number {
  // A Service's name is an RFC 1035 label.
  if (!/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
    throw usageError(
      `a service's name is its DNS name: expected lower case letters, digits and "-", starting with a letter, got ${JSON.stringify(name)}`,
    );
  const folder = join(context.cwd, name);
  if (existsSync(folder))
    throw usageError(`there is a ${name} already, and nothing is overwritten: choose another name`);
  for (const [path, text] of scaffold(name, { http: options.http === true, version: context.version })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { flag: "wx" });
  }
  // In the repository itself, and in a workspace that has them, the packages are there, and `npm install` would ask the registry.
  const isInstalled = isFound("@wherry/service", folder);
  const call = `${context.self} call ${name} greet '{"name":"you"}'`;
  context.terminal.note(`made ${name}/. Next:`);
  for (const line of [
    `cd ${name}${isInstalled ? "" : " && npm install"}`,
    "npm test",
    `${context.self} up . --detach && ${call}`,
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
