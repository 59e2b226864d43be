// What a service costs that was installed as its users install it: its size on disk, how long its import takes, and what an idle echo pod
// holds.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Row } from "../types.ts";
import { ours, rowOf } from "../zmtp/statistics.ts";

const sizeMiBMax = 8;
const importMsMax = 40;
const rssMiBMax = 60;
/** Until a started service has nothing left to do. */
const idleMs = 3_000;

const timedImport = `
  const start = performance.now();
  await import("@wherry/service");
  console.log(performance.now() - start);`;

/**
 * @param folder of `installService`
 * @param scratch for its compile cache
 * @returns rows of size, import time and memory
 */
export async function measureInstalled(folder: string, scratch: string, runs: number): Promise<Row[]> {
  const bytes = Number(execFileSync("du", ["-sb", "node_modules"], { cwd: folder, encoding: "utf8" }).split("\t")[0]);
  const env = { ...process.env, NODE_COMPILE_CACHE: join(scratch, "compile-cache") };
  writeFileSync(join(folder, "import.mjs"), timedImport);
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
