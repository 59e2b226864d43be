// Says what `up` waits for, as soon as that takes longer than programs usually take to start: once for each pod, and again only when it
// becomes something else. Asks the cluster for what probes said; changes nothing.
import type { Clock, Timer } from "@wherry/core";
import { resources } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import type { Pod, Stored } from "@wherry/kube/types";
import { cliLimits } from "../limits.ts";
import { type Observed, type Waiting, waitingOf } from "./waiting.ts";

export interface WaitingReportOptions {
  readonly pods: () => readonly Stored<Pod>[];
  readonly client: Pick<KubeClient, "list">;
  readonly listening: Observed["listening"];
  /** The line of its log that says why it crashed, if there is one. */
  readonly why: (waiting: Waiting) => Promise<string | undefined>;
  readonly clock: Clock;
  readonly note: (line: string) => void;
  readonly signal: AbortSignal;
}

export class WaitingReport {
  readonly #options: WaitingReportOptions;
  /** By the pod's UID, what was said of it last. */
  readonly #told = new Map<string, string>();
  #timer: Timer;
  #stopped = false;

  constructor(options: WaitingReportOptions) {
    this.#options = options;
    this.#timer = this.#after(cliLimits.waitToldAfterMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer.cancel();
  }

  /** What is waited for now. */
  async look(): Promise<readonly Waiting[]> {
    const { pods, listening } = this.#options;
    const said = await this.#said();
    return waitingOf(pods(), { said, listening });
  }

  #after(ms: number): Timer {
    return this.#options.clock.timer(ms, () => void this.#tell(), { background: true });
  }

  async #tell(): Promise<void> {
    const stopped = (): boolean => this.#stopped;
    const waiting = await this.look();
    if (stopped()) return;
    // Of hundreds of replicas, a few tell enough.
    for (const one of waiting.slice(0, cliLimits.waitToldPodsMax)) {
      const { pod, text } = one;
      if (this.#told.get(pod.metadata.uid) === text) continue;
      const first = this.#told.size === 0;
      this.#told.set(pod.metadata.uid, text);
      const more = waiting.length - cliLimits.waitToldPodsMax;
      const others = first && more > 0 ? ` (and ${more} pods more are not ready)` : "";
      const why = one.crashed === true ? await this.#options.why(one).catch(() => undefined) : undefined;
      if (stopped()) return;
      this.#options.note(`waiting: pod ${pod.metadata.name} ${text}${others}${why === undefined ? "" : `\n  ${why}`}`);
    }
    this.#timer = this.#after(cliLimits.waitLookMs);
  }

  /** An answer that does not come is no reason to end: what the pods themselves say is known. */
  async #said(): Promise<ReadonlyMap<string, string>> {
    const { client, signal } = this.#options;
    const fieldSelector = "involvedObject.kind=Pod,reason=Unhealthy";
    try {
      const { items } = await client.list(resources.events, { fieldSelector, signal });
      const sorted = items.toSorted((a, b) => ((a.lastTimestamp ?? "") < (b.lastTimestamp ?? "") ? -1 : 1));
      return new Map(
        sorted.map(({ involvedObject, message = "" }) => [
          involvedObject.uid ?? "",
          message.replace(/^\w+ probe (failed|warning): /, ""),
        ]),
      );
    } catch {
      return new Map();
    }
  }
}
