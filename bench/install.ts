// What users have: the packages packed, and installed into an empty folder, with the ten lines of the echo service beside them. A checkout
// runs its sources, hundreds of files of TypeScript, and so starts more slowly.
import { execFileSync } from "node:child_process";
import { globSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

const echoService = `
  import { run, service } from "@wherry/service";
  await run(service("echo", { methods: { echo: (body) => body }, raw: (frames) => frames }));`;

const ofService = ["core", "zmtp", "kube", "service"].map((name) => `wherry-${name}`);
const all = [...ofService, "wherry-cluster", "wherry"];

/** Packs what this checkout holds, and installs what a service needs into `folder`, where it writes `echo.mjs`. */
export function installService(folder: string): void {
  install(folder, ofService);
}

/** As `installService`, and the command with it. @returns its file. */
export function installCommand(folder: string): string {
  install(folder, all);
  return join(folder, "node_modules/wherry/bin/wherry.js");
}

function install(folder: string, packages: readonly string[]): void {
  execFileSync(process.execPath, [join(root, "scripts/pack.mjs")], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
  const tarballs = globSync(
    packages.map((name) => `${name}-[0-9]*.tgz`),
    { cwd: join(root, "build") },
  );
  const paths = tarballs.map((name) => join(root, "build", name));
  const flags = ["--prefer-offline", "--no-audit", "--no-fund", "--omit=optional", "--silent"];
  execFileSync("npm", ["install", ...flags, ...paths], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  writeFileSync(join(folder, "echo.mjs"), echoService);
}
