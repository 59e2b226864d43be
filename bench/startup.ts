// From the command to three replicas that answer by Service name: spawns the repository's own `wherry up --detach
// examples/echo --replicas 3`, and from outside, as any client, finds the pods by watching the Service's EndpointSlices,
// until three connections have shaken hands and a request was answered. The time begins before the spawn.
//
//   first  nothing there: no state, no compile cache (the first start of a fresh clone)
//   cold   no state; Node's compile cache has been filled by an earlier start
//   warm   the cluster's state is there from before: `wherry down`, then `wherry up`
//   installed  as cold, of the packages as users install them: the same by a few bundled files instead of hundreds of sources
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, httpTransport, loadKubeconfig } from "@wherry/kube/client";
import { connect } from "@wherry/service";
import { installCommand } from "./install.ts";
import type { Bench, Row } from "./types.ts";

const root = resolve(import.meta.dirname, "..");
/** What is started: the checkout's own command with its example, or those that were installed. */
interface Started {
  readonly wherryBin: string;
  readonly folder: string;
  readonly path: string;
}
const checkout: Started = {
  wherryBin: join(root, "packages/cli/bin/wherry.js"),
  folder: root,
  path: "examples/echo",
};
const replicas = 3;
const pollMs = 2;
const timeoutMs = 30_000;

interface Measured {
  readonly totalMs: number;
  /** Milliseconds after the command's start, as `wherry up` reports them (WHERRY_TIMINGS). */
  readonly steps: Readonly<Record<string, number>>;
}

export const bench: Bench = async ({ quick, print }) => {
  const runs = quick ? 3 : 5;
  const scratch = mkdtempSync(join(tmpdir(), "wherry-bench-"));
  try {
    const cold: Measured[] = [];
    const warm: Measured[] = [];
    const first: Measured[] = [];
    for (let run = 0; run < runs; run++) {
      const home = join(scratch, `first-${run}`);
      first.push(await measureAndStop(home, { NODE_COMPILE_CACHE: join(scratch, `cache-${run}`) }, true));
    }
    // Fills the compile cache.
    await measureAndStop(join(scratch, "fill"), {}, true);
    for (let run = 0; run < runs; run++) {
      const home = join(scratch, `cold-${run}`);
      cold.push(await measureAndStop(home, {}, false));
      warm.push(await measureAndStop(home, {}, true));
    }
    const folder = join(scratch, "app");
    const app = { wherryBin: installCommand(folder), folder, path: "./echo.mjs" };
    const installed: Measured[] = [];
    // The first fills its own compile cache.
    for (let run = 0; run <= runs; run++)
      installed.push(await measureAndStop(join(scratch, `installed-${run}`), {}, true, app));
    installed.shift();
    print(`medians of ${runs} runs, milliseconds after the command was spawned:`);
    const rows: Row[] = [];
    for (const [name, measured] of Object.entries({ first, cold, warm, installed })) {
      print(`  ${name.padEnd(9)} ${stepsOf(measured)}`);
      rows.push({
        name: `startup-${name}`,
        unit: "ms",
        ours: median(measured.map(({ totalMs }) => totalMs)),
        peers: {},
        ratios: {},
      });
    }
    return rows;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};

async function measureAndStop(
  home: string,
  extra: NodeJS.ProcessEnv,
  purge: boolean,
  started: Started = checkout,
): Promise<Measured> {
  const env = { ...process.env, WHERRY_HOME: home, NO_COLOR: "1", WHERRY_TIMINGS: "1", ...extra };
  try {
    return await measure(home, env, started);
  } finally {
    const down = spawn(process.execPath, [started.wherryBin, "down", ...(purge ? ["--purge"] : [])], {
      cwd: started.folder,
      env,
      stdio: "ignore",
    });
    await once(down, "exit");
  }
}

async function measure(home: string, env: NodeJS.ProcessEnv, { wherryBin, folder, path }: Started): Promise<Measured> {
  const kubeconfig = join(home, "default", "kubeconfig");
  rmSync(kubeconfig, { force: true });
  const startMs = performance.now();
  const up = spawn(process.execPath, [wherryBin, "up", path, "--replicas", String(replicas), "--detach"], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = collect(up);
  const deadlineMs = startMs + timeoutMs;
  const failed = (): boolean => (up.exitCode ?? 0) !== 0 || performance.now() > deadlineMs;
  while (!existsSync(kubeconfig)) {
    if (failed()) throw new Error(`no cluster: ${await output}`);
    await sleep(pollMs);
  }
  const kube = createClient(httpTransport(await loadKubeconfig(kubeconfig)));
  const client = connect("echo", { kube, namespace: "default", deadlineMs: timeoutMs });
  try {
    while (client.counters.available < replicas) {
      if (failed()) throw new Error(`not ${replicas} replicas: ${await output}`);
      await sleep(pollMs);
    }
    await client.call("echo", "hello");
    const totalMs = performance.now() - startMs;
    if (up.exitCode === null) await once(up, "exit");
    const steps = /^timings (.*)$/m.exec(await output)?.[1];
    return { totalMs, steps: JSON.parse(steps ?? "{}") as Record<string, number> };
  } finally {
    await client.close();
  }
}

async function collect(child: ChildProcess): Promise<string> {
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await once(child, "close");
  return text;
}

function stepsOf(measured: readonly Measured[]): string {
  const names = Object.keys(measured[0]?.steps ?? {});
  const steps = names.map((name) => `${name} ${median(measured.map(({ steps }) => steps[name] ?? NaN)).toFixed(0)}`);
  return [...steps, `answering ${median(measured.map(({ totalMs }) => totalMs)).toFixed(0)}`].join(" → ");
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
