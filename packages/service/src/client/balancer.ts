// Chooses the endpoint of each attempt: the one with fewer outstanding calls of two taken at random, among the best that
// there are. Ready before serving, answering before suspect. Holds no calls.
import type { Random } from "@wherry/core";
import type { Endpoint } from "./endpoint.ts";

/** The endpoints that calls go to now: the first of these groups that is not empty. */
export function bestOf(endpoints: Iterable<Endpoint>, nowMs: number): Endpoint[] {
  const ready: Endpoint[] = [];
  const suspect: Endpoint[] = [];
  const serving: Endpoint[] = [];
  for (const endpoint of endpoints) {
    if (endpoint.state !== "open" || endpoint.retired) continue;
    if (!endpoint.target.ready) {
      if (endpoint.target.serving) serving.push(endpoint);
    } else if (endpoint.isSuspect(nowMs)) suspect.push(endpoint);
    else ready.push(endpoint);
  }
  return ready.length > 0 ? ready : suspect.length > 0 ? suspect : serving;
}

/** @returns undefined when none has room; `avoid` is never chosen. */
export function choose(
  best: readonly Endpoint[],
  avoid: Endpoint | undefined,
  nowMs: number,
  random: Random,
): Endpoint | undefined {
  const fits = (endpoint: Endpoint | undefined): endpoint is Endpoint =>
    endpoint !== undefined && endpoint !== avoid && endpoint.hasRoom(nowMs);
  if (best.length > 1) {
    const first = random.below(best.length);
    const second = (first + 1 + random.below(best.length - 1)) % best.length;
    const [a, b] = [best[first], best[second]];
    if (fits(a) && fits(b)) return b.load < a.load ? b : a;
    if (fits(a)) return a;
    if (fits(b)) return b;
  }
  let least: Endpoint | undefined;
  for (const endpoint of best)
    if (fits(endpoint) && (least === undefined || endpoint.load < least.load)) least = endpoint;
  return least;
}
