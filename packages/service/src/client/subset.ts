// Which endpoints a client uses when they are many: those that weigh most for it by rendezvous hashing with the client's own
// id (the algorithm of gRPC's random subsetting, A68). Each client's choice is independent of the others', so that many clients
// load all endpoints evenly; when one leaves, only those clients that used it take another one, and each just one. Pure.
import { subsetFromEndpoints, subsetUntilEndpoints } from "../limits.ts";
import type { Target } from "./discovery.ts";
import { hashOf, weightOf } from "./rendezvous.ts";

export interface Subset {
  readonly targets: readonly Target[];
  /** Some were left out. */
  readonly partial: boolean;
}

/**
 * @param size how many, at most; false takes all.
 * @param wasPartial of the last choice: below 100 endpoints it goes on until there are fewer than 50, so that a Service of
 *   about 100 doesn't connect all and disconnect them in turn.
 */
export function subsetOf(
  targets: readonly Target[],
  size: number | false,
  clientHash: number,
  wasPartial: boolean,
): Subset {
  const ready = targets.filter((target) => target.ready);
  const least = wasPartial ? subsetUntilEndpoints : subsetFromEndpoints;
  if (size === false || ready.length < least || ready.length <= size) return { targets, partial: false };
  const weighed = ready.map((target) => ({
    target,
    weight: weightOf(clientHash, hashOf(target.pod ?? target.address)),
  }));
  weighed.sort((a, b) => b.weight - a.weight);
  return { targets: weighed.slice(0, size).map(({ target }) => target), partial: true };
}
