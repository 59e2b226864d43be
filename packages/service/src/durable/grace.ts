// How a broker's consumers end: nothing new, what is out may be settled for a while, and the rest is handed back.
import type { Clock } from "@wherry/core";
import { drainPollMs } from "../limits.ts";

interface Ending {
  readonly outstanding: number;
  stop(): Promise<unknown>;
  end(): Promise<unknown>;
}

/** @param graceMs for what is out; then it is delivered elsewhere. */
export async function endConsumers(consumers: Iterable<Ending>, graceMs: number, clock: Clock): Promise<void> {
  const all = [...consumers];
  await Promise.all(all.map((consumer) => consumer.stop()));
  const untilMs = clock.monotonic() + graceMs;
  while (all.some(({ outstanding }) => outstanding > 0) && clock.monotonic() < untilMs) await clock.sleep(drainPollMs);
  await Promise.all(all.map((consumer) => consumer.end()));
}
