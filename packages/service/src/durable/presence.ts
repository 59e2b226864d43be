// Whether a broker's server answers, as the log of its consumers has it: one line when it goes away, one when it is back, however
// many consumers meet it and however often. Whoever needs it tries again, with a pause that grows.
import type { Clock, Logger, Random } from "@wherry/core";
import { brokerReconnectFirstMs, brokerReconnectMaxMs } from "../limits.ts";
import { reasonOf } from "./errors.ts";

interface Tools {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class Presence {
  readonly #name: string;
  readonly #tools: Tools;
  #awaySinceMs: number | undefined;

  /** @param name for the log: `NATS`. */
  constructor(name: string, tools: Tools) {
    this.#name = name;
    this.#tools = tools;
  }

  /** It did not answer, or the connection broke. */
  away(error: unknown): void {
    if (this.#awaySinceMs !== undefined) return;
    const { clock, log } = this.#tools;
    this.#awaySinceMs = clock.monotonic();
    const reason = reasonOf(error);
    log.warn({ broker: this.#name, reason }, `durable calls are not run while the broker is away: ${reason}`);
  }

  /** It answers. */
  back(): void {
    if (this.#awaySinceMs === undefined) return;
    const { clock, log } = this.#tools;
    const awayMs = Math.round(clock.monotonic() - this.#awaySinceMs);
    this.#awaySinceMs = undefined;
    log.info({ broker: this.#name, awayMs }, "the broker is back; durable calls are run");
  }

  /** Tries until it succeeds. @returns undefined when `signal` aborted first. */
  async untilThere<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    const { clock, random } = this.#tools;
    const stopped = (): boolean => signal.aborted;
    for (let pauseMs = brokerReconnectFirstMs; !stopped(); pauseMs = Math.min(brokerReconnectMaxMs, pauseMs * 2)) {
      try {
        const value = await attempt();
        this.back();
        return value;
      } catch (error) {
        if (stopped()) break;
        this.away(error);
      }
      await clock.sleep(pauseMs * (0.5 + random.next() / 2), signal).catch(() => undefined);
    }
    return undefined;
  }
}
