// How a pod is that did not answer itself, in a few words: what its cluster knows of it. Pure.
import type { Pod, Stored } from "@wherry/kube/types";
import { isPodReady, troubles } from "./up/readiness.ts";

/**
 * @param pod undefined: it is not there any more
 * @param why what came instead of an answer
 */
export function silentState(pod: Stored<Pod> | undefined, why: string): string {
  if (pod === undefined) return "gone";
  // It drains: it serves those that it had, and takes no new connection, so that it can't be asked either.
  if (pod.metadata.deletionTimestamp !== undefined) return "leaving";
  const [trouble] = troubles([pod]);
  if (trouble !== undefined) return trouble.reason;
  return isPodReady(pod) ? `no answer: ${why}` : "not ready";
}
