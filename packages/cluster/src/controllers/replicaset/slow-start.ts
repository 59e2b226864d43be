// Creation in growing batches: when the first one is refused (a quota, an invalid template), the other 499 aren't tried.
// Mirrors upstream's slowStartBatch.

export interface SlowStartResult {
  /** How many were tried: the rest was not. */
  readonly done: number;
  /** The first failure. */
  readonly failure: unknown;
}

/** Calls `create` up to `count` times in batches of 1, 2, 4, …; a batch with a failure is the last one. */
export async function slowStart(
  count: number,
  firstBatch: number,
  create: () => Promise<void>,
): Promise<SlowStartResult> {
  let done = 0;
  for (let batch = firstBatch; done < count; batch *= 2) {
    const size = Math.min(batch, count - done);
    const results = await Promise.allSettled(Array.from({ length: size }, create));
    done += size;
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) return { done, failure: failed.reason ?? new Error("creation failed") };
  }
  return { done, failure: undefined };
}
