// `npm run prepare`, which `npm ci` runs: starts and stops the echo system once, so that Node's compile cache
// (node_modules/.cache/wherry/compile) is filled with the command's, the daemon's and the services' modules. Stripping and compiling
// them is most of a first start. State is in a temporary folder; a failure costs nothing but the warmth.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const home = mkdtempSync(join(tmpdir(), "wherry-warm-"));
const wherry = (...args) =>
  spawnSync(process.execPath, [join(root, "packages/cli/bin/wherry.js"), ...args, "--name", "warm"], {
    cwd: root,
    env: { ...process.env, WHERRY_HOME: home },
    stdio: "ignore",
    timeout: 60_000,
  }).status;

const up = wherry("up", "examples/echo", "--detach", "--ephemeral", "--timeout", "20s");
if (up === 0) wherry("call", "echo", "echo", "hello");
wherry("down");
rmSync(home, { recursive: true, force: true });
if (up !== 0) console.log("wherry: the compile cache was not filled; the first start will take a second longer");
