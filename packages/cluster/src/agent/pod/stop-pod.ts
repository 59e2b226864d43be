// The order in which a pod's containers end: app containers together, then sidecars one by one, last declared first. All share one
// grace period (pod-lifecycle: termination with sidecar containers).
import type { ContainerRunner } from "./container-runner.ts";
import type { Grace } from "./grace.ts";

/** Resolves when none of them runs. */
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
