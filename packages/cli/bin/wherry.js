#!/usr/bin/env node
// The command's entry: plain JavaScript that any Node can read, so that an old one gets one clear line. It also turns
// Node's compile cache on, before anything large is loaded: stripping and compiling is most of a cold start.
import { existsSync } from "node:fs";
import module from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `wherry: needs Node 22.18 or newer, this is ${process.versions.node} (${process.execPath}). Install a newer Node, or run it through npm in a project that pins one.\n`,
  );
  process.exit(2);
}
if (!process.env.NODE_COMPILE_CACHE) {
  const folder = compileCacheFolder();
  // In the environment, so that the daemon and the services that it starts share it.
  if (folder !== undefined && module.enableCompileCache(folder).directory !== undefined)
    process.env.NODE_COMPILE_CACHE = folder;
}
await import("#main");

/** `node_modules/.cache` of the project that holds this file, when it is run from there; else none: nothing else is written to. */
function compileCacheFolder() {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; folder !== dirname(folder); folder = dirname(folder)) {
    if (!existsSync(join(folder, "node_modules"))) continue;
    const isOwnSource = !here.includes("/node_modules/");
    const isInProject = `${resolve(".")}/`.startsWith(`${folder}/`);
    return isOwnSource || isInProject ? join(folder, "node_modules", ".cache", "wherry", "compile") : undefined;
  }
  return undefined;
}
