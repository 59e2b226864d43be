// What a service costs that was installed as its users install it: the packages packed, and installed into an empty folder. Its size on
// disk, how long its import takes, and what an idle echo pod holds.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Row } from "../types.ts";
import { ours, rowOf } from "../zmtp/statistics.ts";

const root = join(import.meta.dirname, "../..");
const sizeMiBMax = 8;
const importMsMax = 40;
const rssMiBMax = 60;
/** Until a started service has nothing left to do. */
const idleMs = 3_000;

const timedImport = `
  const start = performance.now();
  await import("@wherry/service");
  console.log(performance.now() - start);`;

const echoService = `
  import { run, service } from "@wherry/service";
  await run(service("echo", { methods: { echo: (body) => body }, raw: (frames) => frames }));`;

/** @returns rows of size, import time and memory. */
export async function measureInstalled(scratch: string, runs: number): Promise<Row[]> {
  const folder = join(scratch, "installed");
  install(folder);
  const bytes = Number(execFileSync("du", ["-sb", "node_modules"], { cwd: folder, encoding: "utf8" }).split("\t")[0]);
  const env = { ...process.env, NODE_COMPILE_CACHE: join(scratch, "compile-cache") };
  writeFileSync(join(folder, "import.mjs"), timedImport);
  writeFileSync(join(folder, "echo.mjs"), echoService);
  const importMs = (): number =>
    Number(execFileSync(process.execPath, ["import.mjs"], { cwd: folder, env, encoding: "utf8" }));
  // Fills the compile cache, as the first start on a machine does.
  importMs();
  const imports = Array.from({ length: runs * 3 }, importMs);
  const rss: number[] = [];
  for (let run = 0; run < runs; run++) rss.push(await idleRss(folder, env));
  return [
    only("installed-size", "MiB", [bytes / 2 ** 20], sizeMiBMax),
    only("import-time", "ms", imports, importMsMax),
    only("idle-pod-rss", "MiB", rss, rssMiBMax),
  ];
}

function only(name: string, unit: string, values: readonly number[], atMost: number): Row {
  return rowOf({ name, unit, measured: new Map([[ours, values]]), better: "less", atMost });
}

function install(folder: string): void {
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
}

async function idleRss(folder: string, env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(process.execPath, ["echo.mjs", "--port", "0", "--admin-port", "0"], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    for await (const line of createInterface({ input: child.stdout })) if (line.includes('"endpoint"')) break;
    await sleep(idleMs);
    const status = readFileSync(`/proc/${child.pid ?? 0}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1_024;
  } finally {
    child.kill("SIGTERM");
    await once(child, "close");
  }
}
