// Latencies in logarithmic buckets, 64 to each doubling, so that a percentile is right to about 1 % and memory stays the
// same for any number of requests.

const bucketsPerDoubling = 64;

export class Histogram {
  /** By bucket of microseconds. */
  readonly #counts = new Map<number, number>();
  #total = 0;
  #maxMs = 0;

  get count(): number {
    return this.#total;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  add(milliseconds: number): void {
    const bucket = Math.round(Math.log2(Math.max(1, milliseconds * 1000)) * bucketsPerDoubling);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
    this.#total += 1;
    this.#maxMs = Math.max(this.#maxMs, milliseconds);
  }

  /** @param share 0.5 is the median. @returns milliseconds; 0 of nothing */
  percentile(share: number): number {
    if (share >= 1) return this.#maxMs;
    const rank = Math.ceil(this.#total * share);
    let seen = 0;
    for (const bucket of [...this.#counts.keys()].sort((a, b) => a - b)) {
      seen += this.#counts.get(bucket) ?? 0;
      if (seen >= rank) return Math.min(this.#maxMs, 2 ** (bucket / bucketsPerDoubling) / 1000);
    }
    return this.#maxMs;
  }
}
