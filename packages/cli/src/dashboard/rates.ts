// What the counts of a service's pods grow by, a second: pod by pod, so that one that leaves takes nothing away from the rate of those that
// stay, and one that starts anew counts from 0. Pure, but for what it remembers of the last look.
import type { ServiceStats } from "@wherry/service";

/** A second, by method. */
export type Rates = ReadonlyMap<string, { readonly calls: number; readonly failed: number }>;

/** What a pod said; without stats it did not answer. */
export interface PodAnswer {
  readonly pod: string;
  readonly stats?: ServiceStats | undefined;
}

/** Of one service. */
export class RateKeeper {
  #last: { readonly atMs: number; readonly byPod: ReadonlyMap<string, ServiceStats> } | undefined;

  /** @param nowMs by `Clock.monotonic`. @returns undefined at the first look: there is nothing to compare with */
  take(nowMs: number, answers: readonly PodAnswer[]): Rates | undefined {
    const last = this.#last;
    const byPod = new Map<string, ServiceStats>();
    const rates = new Map<string, { calls: number; failed: number }>();
    for (const { pod, stats } of answers) {
      const before = last?.byPod.get(pod);
      // One that did not answer is compared with what it said last when it does.
      const remembered = stats ?? before;
      if (remembered !== undefined) byPod.set(pod, remembered);
      if (stats !== undefined && last !== undefined) addGrowth(rates, stats, before, nowMs - last.atMs);
    }
    this.#last = { atMs: nowMs, byPod };
    return last === undefined ? undefined : rates;
  }
}

function addGrowth(
  rates: Map<string, { calls: number; failed: number }>,
  stats: ServiceStats,
  last: ServiceStats | undefined,
  elapsedMs: number,
): void {
  const before = last?.instance === stats.instance ? last : undefined;
  // Not seen before, and older than the last look: when it did what, nobody knows.
  if (before === undefined && stats.uptimeMs > elapsedMs) return;
  const seconds = (stats.uptimeMs - (before?.uptimeMs ?? 0)) / 1000;
  if (seconds <= 0) return;
  for (const [name, method] of Object.entries(stats.methods)) {
    const known = before?.methods[name];
    const rate = rates.get(name) ?? { calls: 0, failed: 0 };
    rates.set(name, {
      calls: rate.calls + (method.count - (known?.count ?? 0)) / seconds,
      failed: rate.failed + (failedOf(method) - failedOf(known)) / seconds,
    });
  }
}

/** Calls that ended with an error. */
export function failedOf(method: ServiceStats["methods"][string] | undefined): number {
  return method === undefined ? 0 : method.count - (method.codes["OK"] ?? 0);
}
