// Chooses the endpoint of each attempt: by one of four policies, among the best that there are. Ready before serving,
// answering before suspect or ejected. Holds no calls.
import type { Random } from "@wherry/core";
import { type Call, isAt } from "./call.ts";
import type { Endpoint } from "./endpoint.ts";
import { hashOf, weightOf } from "./rendezvous.ts";
import type { Balance } from "./types.ts";

/** The endpoints that calls go to now. */
export interface Best {
  readonly endpoints: readonly Endpoint[];
  /** When time alone may change that. */
  readonly untilMs: number;
}

/**
 * The first of these groups that is not empty: ready and well; ready, but suspect or ejected; serving, though no longer ready.
 * The last one waits for a ready one that only now connects: right after a rollout a new client's connection to a pod that
 * leaves may stand first.
 */
export function bestOf(all: Iterable<Endpoint>, nowMs: number): Best {
  const well: Endpoint[] = [];
  const unwell: Endpoint[] = [];
  const serving: Endpoint[] = [];
  let untilMs = Infinity;
  let expected = false;
  for (const endpoint of all) {
    const { target, state, health } = endpoint;
    if (endpoint.retired || endpoint.extra) continue;
    if (state === "connecting" && target.ready && nowMs < endpoint.freshUntilMs) {
      expected = true;
      untilMs = Math.min(untilMs, endpoint.freshUntilMs);
    }
    if (state !== "open") continue;
    if (!target.ready) {
      if (target.serving) serving.push(endpoint);
    } else if (health.isEjected(nowMs)) {
      unwell.push(endpoint);
      untilMs = Math.min(untilMs, health.ejectedUntilMs);
    } else if (endpoint.isSuspect(nowMs)) unwell.push(endpoint);
    else well.push(endpoint);
  }
  const endpoints = well.length > 0 ? well : unwell.length > 0 ? unwell : expected ? [] : serving;
  return { endpoints, untilMs };
}

export class Balancer {
  readonly #balance: Balance;
  readonly #random: Random;
  #turn = 0;

  constructor(balance: Balance, random: Random) {
    this.#balance = balance;
    this.#random = random;
  }

  /** @returns undefined when none has room; never one that the call avoids, or where it is already. */
  choose(best: readonly Endpoint[], call: Call, nowMs: number): Endpoint | undefined {
    switch (this.#balance) {
      case "least-outstanding":
        return this.#lesserOfTwo(best, call, nowMs, loadOf);
      case "latency":
        return this.#lesserOfTwo(best, call, nowMs, expectedMs);
      case "round-robin":
        return nextFrom(this.#turn++, best, call, nowMs);
      case "random":
        return best.length === 0 ? undefined : nextFrom(this.#random.below(best.length), best, call, nowMs);
    }
  }

  /** Of two taken at random: nearly as even as the least of all, and clients that see the same don't all run to one. */
  #lesserOfTwo(
    best: readonly Endpoint[],
    call: Call,
    nowMs: number,
    cost: (endpoint: Endpoint, nowMs: number) => number,
  ): Endpoint | undefined {
    if (best.length > 1) {
      const first = this.#random.below(best.length);
      const second = (first + 1 + this.#random.below(best.length - 1)) % best.length;
      const [a, b] = [best[first], best[second]];
      const [fitsA, fitsB] = [fits(a, call, nowMs), fits(b, call, nowMs)];
      if (fitsA && fitsB && a !== undefined && b !== undefined) return cost(b, nowMs) < cost(a, nowMs) ? b : a;
      if (fitsA) return a;
      if (fitsB) return b;
    }
    let least: Endpoint | undefined;
    for (const endpoint of best)
      if (fits(endpoint, call, nowMs) && (least === undefined || cost(endpoint, nowMs) < cost(least, nowMs)))
        least = endpoint;
    return least;
  }
}

function fits(endpoint: Endpoint | undefined, call: Call, nowMs: number): boolean {
  return endpoint !== undefined && endpoint !== call.avoid && endpoint.hasRoom(nowMs) && !isAt(call, endpoint);
}

function nextFrom(start: number, best: readonly Endpoint[], call: Call, nowMs: number): Endpoint | undefined {
  for (let step = 0; step < best.length; step++) {
    const endpoint = best[(start + step) % best.length];
    if (fits(endpoint, call, nowMs)) return endpoint;
  }
  return undefined;
}

function loadOf(endpoint: Endpoint): number {
  return endpoint.load;
}

/** How long an answer takes, all outstanding ones before it. One that never answered gets a first call, and no second before that is back. */
function expectedMs({ latency, load }: Endpoint, nowMs: number): number {
  const meanMs = latency?.valueMs(nowMs);
  if (meanMs === undefined) return load === 0 ? 0 : Number.MAX_SAFE_INTEGER;
  return meanMs * (load + 1);
}

/** The one of the best that a key belongs to: the same for every client that sees the same, and while it lives. */
export function ownerOf(best: readonly Endpoint[], affinity: string): Endpoint | undefined {
  const keyHash = hashOf(affinity);
  let owner: Endpoint | undefined;
  let heaviest = -1;
  for (const endpoint of best) {
    const weight = weightOf(keyHash, endpoint.hash);
    if (weight > heaviest) [owner, heaviest] = [endpoint, weight];
  }
  return owner;
}
