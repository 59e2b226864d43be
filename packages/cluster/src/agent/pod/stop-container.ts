// Ends one container: preStop hook, TERM, the rest of the grace, KILL. (pod-lifecycle: termination)
import type { Clock } from "@wherry/core";
import type { LifecycleHandler } from "@wherry/kube";
import { killWaitMs, preStopExtensionMs } from "../limits.ts";
import type { Container } from "../runtime/types.ts";
import { Grace } from "./grace.ts";

export interface StopOptions {
  readonly container: Container;
  readonly clock: Clock;
  readonly grace: Grace;
  readonly stopSignal: NodeJS.Signals | undefined;
  readonly preStop: LifecycleHandler | undefined;
  /** Runs the hook; its failure is the caller's to report. Ends early when the signal aborts. */
  readonly runHook: (hook: LifecycleHandler, timeoutMs: number, signal: AbortSignal) => Promise<void>;
  /** It still runs, long after SIGKILL. */
  readonly onStuck: () => void;
}

/** Resolves when it has ended. */
export async function stopContainer(options: StopOptions): Promise<void> {
  const { container, clock, grace, stopSignal, preStop, runHook, onStuck } = options;
  let extensionMs = 0;
  if (preStop !== undefined && grace.leftMs > 0) {
    const over = new AbortController();
    await Promise.race([grace.covers(runHook(preStop, grace.leftMs, over.signal)), container.exited]);
    over.abort(new Error("the hook's time is over"));
    if (grace.leftMs < preStopExtensionMs) extensionMs = preStopExtensionMs;
  }
  if (container.state.phase === "running" && (grace.leftMs > 0 || extensionMs > 0)) {
    container.signal(stopSignal ?? "SIGTERM");
    await grace.covers(container.exited, extensionMs);
  }
  if (container.state.phase === "running") {
    container.killAll();
    if (!(await new Grace(clock, killWaitMs).covers(container.exited))) onStuck();
  }
  await container.exited;
}
