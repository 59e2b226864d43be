// How long calls take while a Deployment rolls, beside how long they take when nothing happens: three pods of an installed service on the
// embedded cluster, asked at a steady rate that is far below what they can. On two cores the new pods' own start is part of what is measured.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { resources } from "@wherry/kube";
import { createClient, httpTransport, type KubeClient, loadKubeconfig } from "@wherry/kube/client";
import { connect } from "@wherry/service";
import type { BenchOptions, Row } from "../types.ts";
import { ours, rowOf } from "../zmtp/statistics.ts";

const root = resolve(import.meta.dirname, "../..");
const wherryBin = join(root, "packages/cli/bin/wherry.js");
const perSecond = 500;
const tickMs = 2;
const warmupMs = 1_000;
/** Seldom: who asks is the one whose calls are timed. */
const pollMs = 250;
/** No rollout of three pods takes so long, on whatever machine. */
const rolloutMs = 120_000;
const target = { name: "echo", namespace: "default" } as const;

interface Latencies {
  readonly p99Ms: number;
  readonly failed: number;
  readonly calls: number;
}

/**
 * @param folder of `installService`
 * @param rollouts one after the other; a rollout's 99th percentile is of some eight calls, so that one alone says little
 */
export async function measureRollout(
  folder: string,
  steadySeconds: number,
  rollouts: number,
  print: BenchOptions["print"],
): Promise<Row[]> {
  const home = mkdtempSync(join(tmpdir(), "wherry-bench-rollout-"));
  const env = { ...process.env, WHERRY_HOME: home, NO_COLOR: "1" };
  // However this process ends, its cluster does not stay.
  const down = (): void => void spawnSync(process.execPath, [wherryBin, "down", "--purge"], { cwd: root, env });
  process.once("exit", down);
  try {
    await wherry(env, "up", join(folder, "echo.mjs"), "--replicas", "3", "--detach");
    const kube = createClient(httpTransport(await loadKubeconfig(join(home, "default", "kubeconfig"))));
    const client = connect("echo", { kube, namespace: "default" });
    const call = (): Promise<unknown> => client.call("echo", "hello");
    // The first second is spent on compiling and on what the start left to do, which would make the steady time look worse.
    await measure(call, sleep(warmupMs));
    const steady = await measure(call, sleep(steadySeconds * 1_000));
    const rolling: Latencies[] = [];
    for (let turn = 1; turn <= rollouts; turn++) rolling.push(await measure(call, rollOut(kube, turn)));
    await client.close();
    const [failed, calls] = [sum(rolling.map((each) => each.failed)), sum(rolling.map((each) => each.calls))];
    print(
      `  rollout: p99 ${steady.p99Ms.toFixed(1)} ms steady, ${rolling.map(({ p99Ms }) => p99Ms.toFixed(1)).join(", ")} ms in ` +
        `${rollouts} rollouts; ${failed} of ${calls} calls failed meanwhile`,
    );
    const ratios = rolling.map(({ p99Ms }) => p99Ms / steady.p99Ms);
    return [
      rowOf({ name: "rollout-p99", unit: "× steady", measured: new Map([[ours, ratios]]), better: "less", atMost: 2 }),
    ];
  } finally {
    process.off("exit", down);
    down();
    rmSync(home, { recursive: true, force: true });
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

async function wherry(env: NodeJS.ProcessEnv, ...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [wherryBin, ...args], { cwd: root, env, stdio: "ignore" });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`wherry ${args.join(" ")}: exit code ${String(code)}`);
}

/**
 * As `kubectl rollout restart`, until the last old pod has gone. The controller's note of the revision is a generation of its own, as in
 * Kubernetes: what is observed goes past the one that was asked for.
 */
async function rollOut(kube: KubeClient, turn: number): Promise<void> {
  const template = { metadata: { annotations: { restarted: String(turn) } } };
  const { metadata } = await kube.patch(resources.deployments, target, "merge", { spec: { template } });
  const endMs = performance.now() + rolloutMs;
  for (;;) {
    const { status } = await kube.get(resources.deployments, target.name, target.namespace);
    const { items } = await kube.list(resources.pods, { namespace: target.namespace });
    const observed = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
    const { updatedReplicas, readyReplicas } = status ?? {};
    if (observed && updatedReplicas === 3 && readyReplicas === 3 && items.length === 3) return;
    if (performance.now() > endMs) throw new Error(`the rollout has not ended within ${rolloutMs / 1_000} s`);
    await sleep(pollMs);
  }
}

/** Calls at a steady rate until `over` has settled. */
async function measure(call: () => Promise<unknown>, over: Promise<unknown>): Promise<Latencies> {
  let running = true;
  const ended = over.finally(() => (running = false));
  const took: number[] = [];
  let [asked, failed, open] = [0, 0, 0];
  const startMs = performance.now();
  const isRunning = (): boolean => running;
  while (isRunning()) {
    for (const due = ((performance.now() - startMs) / 1_000) * perSecond; asked < due; asked++) {
      const askedMs = performance.now();
      open++;
      void call()
        .then(
          () => took.push(performance.now() - askedMs),
          () => failed++,
        )
        .finally(() => open--);
    }
    await sleep(tickMs);
  }
  await ended;
  while (open > 0) await sleep(tickMs);
  took.sort((a, b) => a - b);
  return { p99Ms: took[Math.floor(took.length * 0.99)] ?? NaN, failed, calls: asked };
}
