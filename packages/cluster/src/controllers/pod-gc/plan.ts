// Pods that nobody else will clean up. Pure. Mirrors upstream pkg/controller/podgc/gc_controller.go.
import type { Pod, Stored } from "@wherry/kube";
import { byAge, isDeleting } from "../objects.ts";
import { isTerminal } from "../pods.ts";

export interface PodSweepWorld {
  readonly pods: readonly Stored<Pod>[];
  /** True for a node that has been missing for longer than the grace time. */
  readonly isLost: (nodeName: string) => boolean;
  readonly terminatedMax: number;
}

export interface PodSweepPlan {
  /** Their node is gone: nobody will report their end. */
  readonly orphaned: readonly Stored<Pod>[];
  /** Are to go and run nowhere: no agent will see them off. */
  readonly unscheduled: readonly Stored<Pod>[];
  /** Ended, and too many: the oldest. */
  readonly terminated: readonly Stored<Pod>[];
}

export function planPodSweep({ pods, isLost, terminatedMax }: PodSweepWorld): PodSweepPlan {
  const [orphaned, housed] = [pods.filter((pod) => isLost(nodeOf(pod))), pods.filter((pod) => !isLost(nodeOf(pod)))];
  const unscheduled = pods.filter((pod) => isDeleting(pod) && nodeOf(pod) === "");
  const ended = housed.filter((pod) => isTerminal(pod) && !isDeleting(pod));
  const surplus = ended.length - terminatedMax;
  const terminated = surplus <= 0 ? [] : [...ended].sort(byAge).slice(0, surplus);
  return { orphaned, unscheduled, terminated };
}

export function nodeOf(pod: Pod): string {
  return pod.spec?.nodeName ?? "";
}
