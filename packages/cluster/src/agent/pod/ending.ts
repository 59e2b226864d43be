// The end of all of a pod's containers, once, within a grace period that may become shorter.
import type { Clock } from "@wherry/core";
import type { ContainerRunner } from "./container-runner.ts";
import { Grace } from "./grace.ts";

export class Ending {
  readonly #grace: Grace;
  #over = false;

  /** @param onOver called once nothing runs any more */
  constructor(clock: Clock, runners: readonly ContainerRunner[], graceMs: number, onOver: () => void) {
    this.#grace = new Grace(clock, graceMs);
    void stopPod(runners, this.#grace).then(() => {
      this.#over = true;
      onOver();
    });
  }

  get over(): boolean {
    return this.#over;
  }

  shortenTo(graceMs: number): void {
    this.#grace.shortenTo(graceMs);
  }
}

/**
 * App containers together, then sidecars one by one, last declared first; all share one grace period (pod-lifecycle: termination
 * with sidecar containers). Resolves when none of them runs.
 */
export async function stopPod(runners: readonly ContainerRunner[], grace: Grace): Promise<void> {
  for (const runner of runners) runner.forbidStart();
  const sidecars = runners.filter((runner) => runner.record.kind === "sidecar").reverse();
  const others = runners.filter((runner) => runner.record.kind !== "sidecar");
  await Promise.all(others.map((runner) => stopOne(runner, grace)));
  for (const runner of sidecars) await stopOne(runner, grace);
}

async function stopOne(runner: ContainerRunner, grace: Grace): Promise<void> {
  // A start that is under way (a hook may take long) must come to something that can be stopped.
  await grace.covers(runner.settled());
  await runner.stop(grace);
}
