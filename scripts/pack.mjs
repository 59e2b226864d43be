// `npm run pack`: builds every package with `tsc -b` and packs it for publishing into build/. In the repository a package's
// `exports` and `imports` name its sources, which run directly; what is published names the compiled files instead.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const build = join(root, "build");

/** `./src/x.ts` → `{ types, default }` below ./dist; other strings stay. */
function published(target) {
  if (typeof target !== "string" || !target.startsWith("./src/")) return target;
  const stem = target.replace("./src/", "./dist/").replace(/\.ts$/, "");
  return { types: `${stem}.d.ts`, default: `${stem}.js` };
}
const mapValues = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));

execFileSync(join(root, "node_modules", ".bin", "tsc"), ["-b"], { cwd: root, stdio: "inherit" });
rmSync(build, { recursive: true, force: true });
mkdirSync(build, { recursive: true });
for (const name of readdirSync(join(root, "packages"))) {
  const folder = join(root, "packages", name);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (manifest.private === true) continue;
  const stage = join(build, "stage", name);
  mkdirSync(stage, { recursive: true });
  for (const part of [...manifest.files, "README.md"])
    if (existsSync(join(folder, part)))
      cpSync(join(folder, part), join(stage, part), {
        recursive: true,
        filter: (path) => !path.endsWith(".tsbuildinfo"),
      });
  // What tsc does not emit: the pods' preload, the page of a service's HTTP port.
  for (const path of globSync("**/*.{cjs,html}", { cwd: join(folder, "src") }))
    cpSync(join(folder, "src", path), join(stage, "dist", path));
  cpSync(join(root, "LICENSE"), join(stage, "LICENSE"));
  // They are the repository's, and name files that are not packed.
  delete manifest.scripts;
  if (manifest.exports !== undefined) manifest.exports = mapValues(manifest.exports, published);
  if (manifest.imports !== undefined)
    manifest.imports = mapValues(manifest.imports, (target) => published(target).default ?? target);
  writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  execFileSync("npm", ["pack", "--silent", "--pack-destination", build, stage], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
}
