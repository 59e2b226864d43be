// Which node for this pod: filters, then scores, then chance among the best. Pure, but for the randomness handed in.
import type { Random } from "@wherry/core";
import type { Pod } from "@wherry/kube";
import { matchesTerm, refusals, tolerates } from "./filters.ts";
import { limits } from "./limits.ts";
import type { NodeState } from "./node-state.ts";
import type { PodRequests } from "./requests.ts";

export type Decision =
  | { readonly node: NodeState; readonly message?: undefined }
  /** Why nowhere: `0/2 nodes are available: 2 Insufficient cpu.` */
  | { readonly node?: undefined; readonly message: string };

export interface Question {
  readonly pod: Pod;
  readonly requests: PodRequests;
  /** Pods of the same group are spread over nodes. */
  readonly group: string | undefined;
}

/** Weights of the scores, each 0 to 100, as in upstream's default profile. */
const weights = { leastAllocated: 1, spread: 2, affinity: 2, taints: 3 } as const;

/**
 * @param nodes known nodes; looked at from `start` on, round and round, so that in a large cluster, where not all are looked
 *        at, each gets its turn.
 */
export function decide(question: Question, nodes: readonly NodeState[], start: number, random: Random): Decision {
  const enough = feasibleEnough(nodes.length);
  const feasible: NodeState[] = [];
  const reasons = new Map<string, number>();
  for (let index = 0; index < nodes.length && feasible.length < enough; index++) {
    const state = nodes[(start + index) % nodes.length];
    if (state === undefined) continue;
    const refused = refusals(question.pod, question.requests, state);
    if (refused.length === 0) feasible.push(state);
    for (const reason of refused) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const node = best(question, feasible, random);
  return node === undefined ? { message: refusalMessage(nodes.length, reasons) } : { node };
}

/** Upstream numFeasibleNodesToFind: all of a small cluster, a falling share of a large one. */
export function feasibleEnough(nodes: number): number {
  if (nodes < limits.feasibleNodesMin) return nodes;
  const percent = Math.max(limits.feasiblePercentMin, 50 - Math.floor(nodes / 125));
  return Math.max(limits.feasibleNodesMin, Math.floor((nodes * percent) / 100));
}

function refusalMessage(nodes: number, reasons: ReadonlyMap<string, number>): string {
  if (nodes === 0) return "no nodes available to schedule pods";
  const texts = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodes} nodes are available: ${texts.join(", ")}.`;
}

function best(question: Question, feasible: readonly NodeState[], random: Random): NodeState | undefined {
  if (feasible.length <= 1) return feasible[0];
  const { group } = question;
  let most = 0;
  if (group !== undefined) for (const state of feasible) most = Math.max(most, state.podsOfGroup(group));
  let chosen: NodeState | undefined;
  let highest = Number.NEGATIVE_INFINITY;
  let ties = 0;
  for (const state of feasible) {
    const score = scoreOf(question, state, most);
    if (score > highest) {
      highest = score;
      chosen = state;
      ties = 1;
    } else if (score === highest && random.below(++ties) === 0) chosen = state;
  }
  return chosen;
}

function scoreOf({ pod, requests, group }: Question, state: NodeState, most: number): number {
  const cpu = freeShare(state.allocatable.get("cpu") ?? 0, state.scoredMilliCpu + requests.scoredMilliCpu);
  const memory = freeShare(state.allocatable.get("memory") ?? 0, state.scoredMemory + requests.scoredMemory);
  const spread = group === undefined || most === 0 ? 100 : (100 * (most - state.podsOfGroup(group))) / most;
  return (
    weights.leastAllocated * Math.floor((cpu + memory) / 2) +
    weights.spread * Math.floor(spread) +
    weights.affinity * preference(pod, state) +
    weights.taints * tolerance(pod, state)
  );
}

/** What stays free, in percent. */
function freeShare(allocatable: number, requested: number): number {
  return allocatable <= 0 || requested > allocatable ? 0 : (100 * (allocatable - requested)) / allocatable;
}

/** Preferred node affinity: the weights of the terms that match, of all. */
function preference(pod: Pod, { node }: NodeState): number {
  const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution;
  if (terms === undefined || terms.length === 0 || node === undefined) return 0;
  let all = 0;
  let matching = 0;
  for (const { weight, preference: term } of terms) {
    all += weight;
    if (matchesTerm(term, node)) matching += weight;
  }
  return all === 0 ? 0 : Math.floor((100 * matching) / all);
}

/** 100 without PreferNoSchedule taints that the pod doesn't tolerate; less with each. */
function tolerance(pod: Pod, { node }: NodeState): number {
  const taints = node?.spec?.taints;
  if (taints === undefined || taints.length === 0) return 100;
  const tolerations = pod.spec?.tolerations ?? [];
  const disliked = taints.filter((taint) => taint.effect === "PreferNoSchedule" && !tolerates(tolerations, taint));
  return Math.floor(100 / (1 + disliked.length));
}
