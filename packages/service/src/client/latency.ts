// Measured times: of an endpoint, for the balancer (peak EWMA), and of a method's calls, for hedging (a percentile). Pure.
import { latencyDecayMs, latencySamples, latencySamplesMin, latencySamplesPerLook } from "../limits.ts";

/**
 * A moving average that jumps to each peak and decays from there (as in Twitter's Finagle): an endpoint that turns slow is
 * noticed by its first slow answer, and forgiven in time, even if nothing is sent to it.
 */
export class PeakEwma {
  #valueMs = 0;
  #atMs = 0;
  #known = false;

  observe(ms: number, nowMs: number): void {
    const decayed = this.valueMs(nowMs) ?? 0;
    const weight = Math.exp(-(nowMs - this.#atMs) / latencyDecayMs);
    this.#valueMs = ms > decayed ? ms : this.#valueMs * weight + ms * (1 - weight);
    this.#atMs = nowMs;
    this.#known = true;
  }

  /** undefined before the first observation. */
  valueMs(nowMs: number): number | undefined {
    return this.#known ? this.#valueMs * Math.exp(-(nowMs - this.#atMs) / latencyDecayMs) : undefined;
  }
}

/** The last times of a method's answers. */
export class LatencyWindow {
  readonly #samplesMs: Float64Array = new Float64Array(latencySamples);
  #count = 0;
  #sorted: Float64Array | undefined;

  observe(ms: number): void {
    this.#samplesMs[this.#count++ % latencySamples] = ms;
    if (this.#count % latencySamplesPerLook === 0) this.#sorted = undefined;
  }

  /** @param percent 0 to 100. @returns undefined while there are too few to say. */
  percentileMs(percent: number): number | undefined {
    if (this.#count < latencySamplesMin) return undefined;
    this.#sorted ??= this.#samplesMs.slice(0, Math.min(this.#count, latencySamples)).sort();
    return this.#sorted[Math.min(this.#sorted.length - 1, Math.floor((this.#sorted.length * percent) / 100))];
  }
}
