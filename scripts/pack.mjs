// `npm run pack`: builds every package and packs it for publishing into build/. In the repository a package's `exports` and
// `imports` name its sources, which run directly; what is published names the files that bundle.mjs makes of them.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle, entryName } from "./bundle.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const build = resolve(process.argv[2] ?? join(root, "build"));

/** `./src/x.ts` → its file in ./dist and its types; other strings stay. */
function published([key, target]) {
  if (!target.startsWith("./src/")) return [key, target];
  const file = `./dist/${entryName(key)}.js`;
  const types = target.replace("./src/", "./dist/").replace(/\.ts$/, ".d.ts");
  return [key, key.startsWith("#") ? file : { types, default: file }];
}
const publishedAll = (targets) => targets && Object.fromEntries(Object.entries(targets).map(published));

// The last of the packages, and so all of them.
execFileSync(join(root, "node_modules", ".bin", "tsc"), ["-b", "packages/cli"], { cwd: root, stdio: "inherit" });
rmSync(build, { recursive: true, force: true });
const stages = [];
for (const name of readdirSync(join(root, "packages"))) {
  const folder = join(root, "packages", name);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (manifest.private === true) continue;
  const stage = join(build, "stage", name);
  mkdirSync(stage, { recursive: true });
  await bundle(name, folder, manifest, stage);
  const files = manifest.files.filter((file) => file !== "dist").map((file) => join(folder, file));
  for (const path of [...files, join(folder, "README.md"), join(root, "LICENSE")])
    if (existsSync(path)) cpSync(path, join(stage, path.slice(path.lastIndexOf("/"))), { recursive: true });
  // They are the repository's, and name files that are not packed.
  delete manifest.scripts;
  if (Array.isArray(manifest.sideEffects)) manifest.sideEffects = ["./dist/early-signals.js"];
  manifest.exports = publishedAll(manifest.exports);
  manifest.imports = publishedAll(manifest.imports);
  writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  stages.push(stage);
}
execFileSync("npm", ["pack", "--silent", "--pack-destination", build, ...stages], {
  cwd: root,
  stdio: ["ignore", "inherit", "inherit"],
});
