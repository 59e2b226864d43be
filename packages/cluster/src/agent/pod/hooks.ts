// Runs a lifecycle hook. It never throws: what went wrong is its answer.
import type { LifecycleHandler } from "@wherry/kube";
import type { ProbeTarget } from "../probes/handlers.ts";
import type { PodContext } from "./context.ts";

/** @param target undefined: nothing real runs. Answers undefined when the hook has succeeded, else what went wrong. */
export async function runHook(
  { clock, probe }: PodContext,
  hook: LifecycleHandler,
  target: (() => Promise<ProbeTarget>) | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (hook.sleep !== undefined) {
    await clock.sleep(Math.min(hook.sleep.seconds * 1000, timeoutMs), signal).catch(() => undefined);
    return undefined;
  }
  if (target === undefined) return undefined;
  const result = await probe(hook, await target(), timeoutMs);
  return result.verdict === "success" || result.verdict === "warning" ? undefined : result.output;
}
