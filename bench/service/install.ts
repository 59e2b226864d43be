// A service as its users have it: the packages packed, and installed into an empty folder, with the ten lines of the echo service beside
// them. A checkout runs its sources, a hundred files of TypeScript, and so starts more slowly.
import { execFileSync } from "node:child_process";
import { globSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

const echoService = `
  import { run, service } from "@wherry/service";
  await run(service("echo", { methods: { echo: (body) => body }, raw: (frames) => frames }));`;

/** Packs what this checkout holds, installs it into `folder` and writes `echo.mjs` there. */
export function installService(folder: string): void {
  execFileSync(process.execPath, [join(root, "scripts/pack.mjs")], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
  const tarballs = globSync("wherry-{core,zmtp,kube,service}-*.tgz", { cwd: join(root, "build") });
  const paths = tarballs.map((name) => join(root, "build", name));
  const flags = ["--prefer-offline", "--no-audit", "--no-fund", "--omit=optional", "--silent"];
  execFileSync("npm", ["install", ...flags, ...paths], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  writeFileSync(join(folder, "echo.mjs"), echoService);
}
