// The pods that wait for a node: those to decide on now, by priority, and those that fitted nowhere, which come back when
// something changed that could help. (upstream pkg/scheduler/backend/queue/scheduling_queue.go)
import type { Clock, Timer } from "@wherry/core";
import { limits } from "./limits.ts";

interface Waiting {
  readonly priority: number;
  /** Not before this, on the monotonic clock. */
  readonly notBeforeMs: number;
  /** Number of changes seen when it was put here: only a later one brings it back. */
  readonly changes: number;
  readonly sinceMs: number;
}

export class PodQueue {
  readonly #clock: Clock;
  readonly #onReady: () => void;
  /** Highest priority first; within one, in order of arrival. */
  readonly #active = new Map<number, Set<string>>();
  readonly #priorities = new Map<string, number>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #attempts = new Map<string, number>();
  #changes = 0;
  #timer: { readonly atMs: number; readonly timer: Timer } | undefined;

  /** @param onReady called when a pod became ready for a decision. */
  constructor(clock: Clock, onReady: () => void) {
    this.#clock = clock;
    this.#onReady = onReady;
  }

  /** To be decided on now. Nothing when it is already. */
  add(uid: string, priority: number): void {
    if (this.#priorities.has(uid)) return;
    this.#waiting.delete(uid);
    this.#priorities.set(uid, priority);
    const pods = this.#active.get(priority);
    if (pods === undefined) this.#active.set(priority, new Set([uid]));
    else pods.add(uid);
    this.#onReady();
  }

  has(uid: string): boolean {
    return this.#priorities.has(uid) || this.#waiting.has(uid);
  }

  /** The next one, removed. */
  take(): string | undefined {
    let highest: number | undefined;
    for (const priority of this.#active.keys()) if (highest === undefined || priority > highest) highest = priority;
    if (highest === undefined) return undefined;
    const [uid] = this.#active.get(highest) ?? [];
    if (uid !== undefined) this.#deactivate(uid);
    return uid;
  }

  /** It fitted nowhere: comes back when something changes, after a back-off that grows with each time. */
  wait(uid: string, priority: number): void {
    const attempts = this.#attempts.get(uid) ?? 0;
    this.#attempts.set(uid, attempts + 1);
    const now = this.#clock.monotonic();
    const backoffMs = Math.min(limits.backoffMsMax, limits.backoffMs * 2 ** Math.min(attempts, 20));
    this.#waiting.set(uid, { priority, notBeforeMs: now + backoffMs, changes: this.#changes, sinceMs: now });
    this.#arm(now + limits.unschedulableRetryMs);
  }

  /** Bound, or gone. */
  remove(uid: string): void {
    this.#deactivate(uid);
    this.#waiting.delete(uid);
    this.#attempts.delete(uid);
  }

  /** Something changed that could give waiting pods room. */
  clusterChanged(): void {
    this.#changes++;
    if (this.#waiting.size > 0) this.#sweep();
  }

  close(): void {
    this.#timer?.timer.cancel();
    this.#timer = undefined;
  }

  #deactivate(uid: string): void {
    const priority = this.#priorities.get(uid);
    if (priority === undefined) return;
    this.#priorities.delete(uid);
    const pods = this.#active.get(priority);
    pods?.delete(uid);
    if (pods?.size === 0) this.#active.delete(priority);
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    // A sweep looks at all: in a storm of changes there is one at a time, not one each.
    if (this.#timer !== undefined && this.#timer.atMs <= now + limits.sweepMs) return;
    let soonest = Number.POSITIVE_INFINITY;
    for (const [uid, waiting] of this.#waiting) {
      const dueMs =
        waiting.changes < this.#changes ? waiting.notBeforeMs : waiting.sinceMs + limits.unschedulableRetryMs;
      if (dueMs <= now) this.add(uid, waiting.priority);
      else soonest = Math.min(soonest, dueMs);
    }
    if (Number.isFinite(soonest)) this.#arm(Math.max(soonest, now + limits.sweepMs));
  }

  #arm(atMs: number): void {
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.timer.cancel();
    const fire = (): void => {
      this.#timer = undefined;
      this.#sweep();
    };
    const timer = this.#clock.timer(Math.max(0, atMs - this.#clock.monotonic()), fire, { background: true });
    this.#timer = { atMs, timer };
  }
}
