// Does something again until it succeeds, for consumers whose broker is away. Never gives up: the pod's other methods go on, and the
// log says what is wrong.
import { asError, type Clock, type Logger, type Random } from "@wherry/core";
import { brokerReconnectFirstMs, brokerReconnectMaxMs } from "../limits.ts";

interface Tools {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** @returns undefined when `signal` aborted first. */
export async function untilDone<T>(
  what: string,
  attempt: () => Promise<T>,
  signal: AbortSignal,
  { clock, random, log }: Tools,
): Promise<T | undefined> {
  const stopped = (): boolean => signal.aborted;
  for (let pauseMs = brokerReconnectFirstMs; !stopped(); pauseMs = Math.min(brokerReconnectMaxMs, pauseMs * 2)) {
    try {
      return await attempt();
    } catch (error) {
      if (stopped()) break;
      log.warn({ err: asError(error), retryInMs: pauseMs }, `${what}: trying again`);
    }
    await clock.sleep(pauseMs * (0.5 + random.next() / 2), signal).catch(() => undefined);
  }
  return undefined;
}
