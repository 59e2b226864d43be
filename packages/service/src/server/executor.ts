// Runs jobs in order, at most `concurrency` at a time, with a bounded queue before it. It lets the event loop breathe:
// synchronous handlers hold it for a slice, then pings, reads and timers get their turn. Knows nothing of the protocol.
import { BoundedQueue, type Clock } from "@wherry/core";
import { sliceMs, stuckMs } from "../limits.ts";
import { BodyBudget } from "./body-budget.ts";
import { bytesOf, heldBytes, type Job, partyOf } from "./job.ts";
import { hasShare } from "./party.ts";

export interface ExecutorOptions {
  readonly concurrency: number;
  readonly queueMax: number;
  /** What waits is held in it. Default: one of its own. */
  readonly bodies?: BodyBudget;
  readonly clock: Clock;
  /** Runs the job and answers it; undefined when that is done already, else a promise that never rejects. */
  readonly run: (job: Job) => Promise<void> | undefined;
  /** Called when a run of jobs has been started, before whoever called `pump` goes on. */
  readonly afterwards?: () => void;
}

export class Executor {
  /** In the synchronous part of its handler; most jobs have no other. */
  #current: Job | undefined;
  /** Those that go on after it. */
  readonly #pending: Set<Job> = new Set();
  /** Jobs ended, and the milliseconds they took, since the last `takeMeasure`. */
  #finished = 0;
  #busyMs = 0;
  #pumping = false;
  #scheduled = false;
  #stopped = false;
  #queuedBytes = 0;
  readonly #bodies: BodyBudget;
  readonly #queue: BoundedQueue<Job>;
  readonly #options: ExecutorOptions;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#bodies = options.bodies ?? new BodyBudget();
    this.#queue = new BoundedQueue(options.queueMax);
  }

  /** Jobs that wait; those cancelled while waiting count until their turn comes. */
  get queued(): number {
    return this.#queue.size;
  }

  /** Bytes of what waits. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** How many run. */
  get running(): number {
    return this.#pending.size + (this.#current === undefined ? 0 : 1);
  }

  /** Queues a job without starting it (see `pump`); false when the queue is full, of jobs or of bytes, or for its caller. */
  submit(job: Job): boolean {
    const { size, capacity } = this.#queue;
    const party = partyOf(job);
    if (size === capacity || (party !== undefined && !hasShare(party.waiting, size, capacity))) return false;
    if (!this.#bodies.take(heldBytes(job), party)) return false;
    this.#queue.push(job);
    if (party !== undefined) party.waiting++;
    this.#queuedBytes += bytesOf(job);
    return true;
  }

  /** It waits no more. */
  #left(job: Job): void {
    const party = partyOf(job);
    if (party !== undefined) party.waiting--;
    this.#queuedBytes -= bytesOf(job);
    this.#bodies.release(heldBytes(job), party);
  }

  /** Starts what has room. Called once after each batch of messages, so that pings and cancels in it come first. */
  pump(): void {
    if (this.#pumping || this.#scheduled || this.#stopped) return;
    this.#pumping = true;
    const { clock, concurrency } = this.#options;
    let nowMs = clock.monotonic();
    const untilMs = nowMs + sliceMs;
    while (this.#mayStart(concurrency)) {
      if (nowMs > untilMs && this.#queue.size > 0) {
        this.#schedule();
        break;
      }
      const job = this.#queue.shift();
      if (job === undefined) break;
      this.#left(job);
      if (job.state === "queued") nowMs = this.#start(job, nowMs);
    }
    this.#pumping = false;
    this.#options.afterwards?.();
  }

  #mayStart(concurrency: number): boolean {
    return this.#pending.size < concurrency && !this.#stopped;
  }

  /** @returns the time after it, so that a run of synchronous jobs reads the clock once each. */
  #start(job: Job, nowMs: number): number {
    job.state = "running";
    job.startedMs = nowMs;
    this.#current = job;
    const pending = this.#options.run(job);
    this.#current = undefined;
    if (pending === undefined) return this.#finish(job);
    this.#pending.add(job);
    void pending.then(() => {
      this.#pending.delete(job);
      this.#finish(job);
      this.pump();
    });
    return this.#options.clock.monotonic();
  }

  #finish(job: Job): number {
    const nowMs = job.endedMs === 0 ? this.#options.clock.monotonic() : job.endedMs;
    this.#finished++;
    this.#busyMs += nowMs - job.startedMs;
    return nowMs;
  }

  #schedule(): void {
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.pump();
    });
  }

  /** What was done since the last call. */
  takeMeasure(): { readonly finished: number; readonly busyMs: number } {
    const measure = { finished: this.#finished, busyMs: this.#busyMs };
    this.#finished = 0;
    this.#busyMs = 0;
    return measure;
  }

  /** All slots are held by jobs that ran far past their deadline: nothing moves any more. */
  isStuck(): boolean {
    if (this.running < this.#options.concurrency) return false;
    const limitMs = this.#options.clock.monotonic() - stuckMs;
    for (const job of this.#pending) if (job.deadlineMs > limitMs) return false;
    return true;
  }

  /** What runs. */
  runningJobs(): Job[] {
    return this.#current === undefined ? [...this.#pending] : [...this.#pending, this.#current];
  }

  /** Starts nothing more. @returns what had not started. */
  stop(): Job[] {
    this.#stopped = true;
    const waiting = this.#queue.drain();
    for (const job of waiting) this.#left(job);
    return waiting.filter((job) => job.state === "queued");
  }
}
