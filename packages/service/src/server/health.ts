// What a service says of itself to probes, clients and people, from what can be seen right now. Decides nothing else: an overloaded
// service is served on, and stays ready (docs/decisions/0015-overloaded-stays-ready.md).
import { overloadLagMs, overloadQueueShare } from "../limits.ts";
import type { Executor } from "./executor.ts";
import type { Life } from "./host.ts";

/**
 * `overloaded`: the queue is nearly full, or the event loop is late. `stuck`: nothing moves any more. A service that drains is
 * `draining`, whatever else it is but stuck.
 */
export type HealthState = "starting" | "ready" | "overloaded" | "draining" | "stuck";

/** How much of a measured lag still counts at the next measurement, so that one spike is seen for a moment. */
const lagDecay = 0.7;

export class Health {
  #lagMs = 0;
  readonly #executor: Pick<Executor, "queued" | "isStuck">;
  readonly #queueMax: number;

  constructor(executor: Pick<Executor, "queued" | "isStuck">, queueMax: number) {
    this.#executor = executor;
    this.#queueMax = queueMax;
  }

  /** How late the event loop is, milliseconds: measured while there is work, about 0 without. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** A timer fired so much later than it was set for. */
  noteLag(lateMs: number): void {
    this.#lagMs = Math.max(lateMs, this.#lagMs * lagDecay);
  }

  stateOf(life: Life): HealthState {
    if (life === "ended") return "draining";
    if (this.#executor.isStuck()) return "stuck";
    if (life !== "ready") return life;
    const overloaded = this.#executor.queued >= overloadQueueShare * this.#queueMax || this.#lagMs >= overloadLagMs;
    return overloaded ? "overloaded" : "ready";
  }
}
