// Notices a blocked event loop: counts each block and its length, and starts the thread that names the stack while it lasts
// (watchdog-worker.ts). That thread costs memory, so it is started by a service's first busy second, never in an idle one
// (docs/decisions/0016-watchdog-of-busy-services.md).
import type { Clock, Logger, Timer } from "@wherry/core";
import { busyBeforeWatchedMs, idleBeatMs } from "../limits.ts";

/** What the thread is told. */
export interface Watched {
  readonly heartbeat: SharedArrayBuffer;
  readonly blockedMs: number;
  /** Fields of every record. */
  readonly base: Readonly<Record<string, unknown>>;
  readonly terminal: boolean;
  readonly colour: boolean;
}

export interface WatchdogOptions extends Omit<Watched, "heartbeat"> {
  readonly clock: Clock;
  readonly log: Logger;
  /** Gets a record that is on stdout already. */
  readonly onRecord: (line: string) => void;
}

export class Watchdog {
  readonly blocked: { count: number; seconds: number } = { count: 0, seconds: 0 };
  readonly #options: WatchdogOptions;
  readonly #heartbeat = new SharedArrayBuffer(4);
  readonly #beats = new Int32Array(this.#heartbeat);
  #isWatched = false;
  #dueMs = 0;
  #timer: Timer | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #schedule(): void {
    const { clock, blockedMs } = this.#options;
    const periodMs = this.#isWatched ? blockedMs / 4 : idleBeatMs;
    this.#dueMs = clock.monotonic() + periodMs;
    this.#timer = clock.timer(periodMs, () => this.#beat(), { background: true });
  }

  #beat(): void {
    const { clock, blockedMs, log } = this.#options;
    Atomics.add(this.#beats, 0, 1);
    const lateMs = clock.monotonic() - this.#dueMs;
    if (lateMs >= blockedMs) {
      this.blocked.count++;
      this.blocked.seconds += lateMs / 1000;
      log.warn({ blockedMs: Math.round(lateMs) }, `the event loop was blocked for ${Math.round(lateMs)} ms`);
    }
    // Everything since the start, start-up included: a service that does nothing needs minutes for it.
    if (!this.#isWatched && performance.eventLoopUtilization().active >= busyBeforeWatchedMs) {
      this.#isWatched = true;
      this.#watch().catch((error: unknown) => log.warn({ err: error }, "the event loop can't be watched"));
    }
    this.#schedule();
  }

  async #watch(): Promise<void> {
    const { blockedMs, base, terminal, colour, log, onRecord } = this.#options;
    const [{ Worker }, inspector] = await Promise.all([import("node:worker_threads"), import("node:inspector")]);
    // Who debugs stops the event loop on purpose.
    if (inspector.url() !== undefined) return;
    const file = `./watchdog-worker.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`;
    const workerData: Watched = { heartbeat: this.#heartbeat, blockedMs, base, terminal, colour };
    const worker = new Worker(new URL(file, import.meta.url), { workerData, execArgv: [], name: "watchdog" });
    worker.unref();
    worker.on("message", (message: unknown) => {
      if (message === "watching") log.debug({ blockedMs }, "the event loop is watched from now on");
      else onRecord(String(message));
    });
    worker.on("error", (error) => log.warn({ err: error }, "the event loop is not watched any more"));
  }
}
