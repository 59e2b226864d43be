// What a published package holds in place of its sources: a file for each entry, one for what several of them share, and one for each
// part that is loaded lazily; all in one folder, readable, without maps (they would lead to sources that are not there). Fewer, larger files
// start faster and hold less memory than one for each module. Declarations are as tsc makes them, a file a module.
import { copyFileSync, cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { rolldown } from "rolldown";

/** A file of its own beside the entries that package.json names: loaded by its path, or before all else. */
const ownFiles = {
  service: { "early-signals": "src/process/early-signals.ts", "watchdog-worker": "src/process/watchdog-worker.ts" },
};

/**
 * Dependencies that are bundled with what needs them: pino is forty small files, and looking them up costs a service 6 MiB
 * (docs/decisions/0018-bundled-packages.md). Their licences go into dist/LICENSES.txt.
 */
const bundledNames = { service: ["pino"], cluster: ["pino"] };

/** What so many entries and lazily loaded parts share is one file: a file for each set of sharers would be ten small ones, each to be found. */
const sharersMin = 3;

/** `.` → index, `./testing` → testing, `#main` → main. */
export function entryName(key) {
  return key === "." ? "index" : key.replace(/^(\.\/|#)/, "").replaceAll("/", "-");
}

/**
 * @param name of the folder below packages/
 * @param manifest its package.json, from which the dependencies that are bundled are taken out
 * @param out where `dist` is made
 */
export async function bundle(name, folder, manifest, out) {
  const dist = join(out, "dist");
  const entries = Object.entries({ ...manifest.exports, ...manifest.imports })
    .filter(([, target]) => target.startsWith("./src/"))
    .map(([key, target]) => [entryName(key), join(folder, target)]);
  const own = Object.entries(ownFiles[name] ?? {}).map(([key, path]) => [key, join(folder, path)]);
  const inside = bundledNames[name] ?? [];
  for (const dependency of inside) delete manifest.dependencies[dependency];
  const licences = new Map();
  const isExternal = (id, importer) =>
    id.startsWith("node:") || (/^[^./]/.test(id) && !inside.includes(id) && !importer?.includes("/node_modules/"));
  const build = await rolldown({
    input: Object.fromEntries([...entries, ...own]),
    cwd: folder,
    platform: "node",
    external: isExternal,
    plugins: [placesKept(folder, dist), licencesOf(licences), assertLater(), builtinsUnwrapped()],
    // A part that some of a package's entries load lazily and others at once is no mistake.
    checks: { ineffectiveDynamicImport: false },
  });
  await build.write({
    dir: dist,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    minify: false,
    comments: false,
    codeSplitting: { groups: [{ name: "shared", minShareCount: sharersMin }] },
  });
  await build.close();
  const texts = [...licences].sort().map(([id, text]) => `${id}\n\n${text.trim()}\n`);
  if (texts.length > 0) writeFileSync(join(dist, "LICENSES.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
  const src = join(folder, "src");
  for (const path of globSync("**/*.{cjs,html}", { cwd: src }))
    copyFileSync(join(src, path), join(dist, basename(path)));
  // Only of what the sources still hold: tsc leaves the files of modules that are gone.
  const sources = globSync("**/*.ts", { cwd: src, exclude: ["**/*.test.ts", "**/*.suite.ts", "**/*.d.ts"] });
  for (const path of sources) {
    const declaration = path.replace(/\.ts$/, ".d.ts");
    mkdirSync(dirname(join(dist, declaration)), { recursive: true });
    cpSync(join(folder, "dist", declaration), join(dist, declaration));
  }
}

/** `new URL("…", import.meta.url)` still names the same file when its module has moved to the top of `dist`. */
function placesKept(folder, dist) {
  const src = join(folder, "src");
  return {
    name: "places-kept",
    transform(code, id) {
      if (!code.includes("import.meta.url")) return null;
      return code.replace(/new URL\(\s*"([^"]+)",\s*import\.meta\.url\s*\)/g, (_, given) => {
        const target = resolve(dirname(id), given);
        // Files of the sources are copied to the top of `dist`; others stay where they are, seen from the package.
        const inside = !relative(src, target).startsWith("..");
        const place = inside ? basename(target) : relative(dist, join(dirname(dist), relative(folder, target)));
        return `new URL(${JSON.stringify(place)}, import.meta.url)`;
      });
    },
  };
}

/** Collects the licence of each package that is bundled. */
function licencesOf(found) {
  return {
    name: "licences-of",
    transform(_, id) {
      const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0];
      if (folder === undefined) return null;
      const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      const file = globSync("LICEN{S,C}E*", { cwd: folder })[0];
      found.set(`${name} ${version} (${license})`, file === undefined ? "" : readFileSync(join(folder, file), "utf8"));
      return null;
    },
  };
}

/** What pino brings calls `assert` where something is wrong only: loaded then, it is 1.5 MiB that a service does not hold. */
function assertLater() {
  return {
    name: "assert-later",
    transform: (code, id) =>
      id.includes("/node_modules/")
        ? code.replace("const assert = require('assert')", "const assert = (...given) => require('assert')(...given)")
        : null,
  };
}

/**
 * `import { a } from "node:x"` evaluates every export of that module, and so loads what is behind its lazy ones: node:fs brings readline,
 * node:crypto webcrypto, node:http undici. Taken by name from the built-in module, only what is used is loaded.
 */
function builtinsUnwrapped() {
  const imports = /^import \{([^}]*)\} from "(node:[^"]+)";$/gm;
  return {
    name: "builtins-unwrapped",
    renderChunk: (code) =>
      code.replace(imports, (_, names, module) => {
        return `const {${names.replaceAll(" as ", ": ")}} = process.getBuiltinModule("${module}");`;
      }),
  };
}
