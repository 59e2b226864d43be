// What a process spends between two points of time: processor time, and memory allocated by JavaScript, as V8's sampling heap profiler
// estimates it with all that was collected meanwhile counted in.
import { type HeapProfiler, Session } from "node:inspector/promises";
import type { Spent } from "./types.ts";

/** Bytes between two samples, on average. */
const samplingInterval = 32_768;

export class Spending {
  #session: Session | undefined;
  #before = process.cpuUsage();

  async start(): Promise<void> {
    this.#session = new Session();
    this.#session.connect();
    await this.#session.post("HeapProfiler.startSampling", {
      samplingInterval,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    this.#before = process.cpuUsage();
  }

  async end(): Promise<Spent> {
    const { user, system } = process.cpuUsage(this.#before);
    const profile = await this.#session?.post("HeapProfiler.stopSampling");
    this.#session?.disconnect();
    return {
      cpuMs: (user + system) / 1_000,
      allocatedBytes: profile === undefined ? NaN : total(profile.profile.head),
    };
  }
}

function total({ selfSize, children }: HeapProfiler.SamplingHeapProfileNode): number {
  return children.reduce((sum, child) => sum + total(child), selfSize);
}
