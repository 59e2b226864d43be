// One run of the harness: brings a world up, lets callers load it, lets scenarios befall it, and audits the books.
import { setTimeout as pause } from "node:timers/promises";
import { SeededRandom } from "@wherry/core/testing";
import { audit, type Verdict } from "./books.ts";
import { drained, readEffects, readExecuted, readTold } from "./read-books.ts";
import type { Scenario } from "./scenarios.ts";
import type { Episode } from "./types.ts";
import { World } from "./world.ts";

export interface RunOptions {
  readonly seed: number;
  readonly scenarios: readonly Scenario[];
  /** Scenarios befall it one after the other at random for so long; undefined: each once, in order. */
  readonly durationMs?: number;
  readonly brief: boolean;
  readonly callers: number;
  readonly concurrency: number;
  readonly say: (line: string) => void;
}

export async function runChaos(options: RunOptions): Promise<Verdict> {
  const { seed, scenarios, durationMs, brief, callers, concurrency, say } = options;
  const random = new SeededRandom(seed);
  const world = new World();
  try {
    await world.up({ replicas: 3 });
    process.env["KUBECONFIG"] = world.session.kubeconfig;
    for (let index = 0; index < callers; index++)
      await world.startCaller({
        seed: seed * 1_000 + index,
        concurrency,
        deadlineMs: 5_000,
        workMsMax: 3,
        newcomerEveryMs: index === 0 ? 500 : 0,
      });
    await pause(500);
    const startMs = performance.now();
    const plan = durationMs === undefined ? scenarios.values() : endless(scenarios, random);
    const episodes: Episode[] = [];
    for (const { name, act, severity } of plan) {
      if (durationMs !== undefined && performance.now() - startMs > durationMs) break;
      say(`${((performance.now() - startMs) / 1000).toFixed(1).padStart(6)} s  ${name}`);
      const fromMs = Date.now();
      await act(world, random, brief);
      episodes.push({ severity, fromMs, toMs: Date.now() });
    }
    await pause(500);
    const files = await world.stopCallers();
    const leftovers = await drained();
    const executed = await readExecuted(world.folder);
    return audit(await readTold(files), executed, readEffects(world.folder), episodes, leftovers);
  } finally {
    delete process.env["KUBECONFIG"];
    await world.close();
  }
}

function* endless(scenarios: readonly Scenario[], random: SeededRandom): Generator<Scenario> {
  for (;;) {
    // Each once in every round, in another order.
    const round = scenarios.map((scenario) => ({ scenario, at: random.next() })).sort((a, b) => a.at - b.at);
    for (const { scenario } of round) yield scenario;
  }
}
