// Waiting with a limit, for brokers that close while deliveries are out.
import type { Clock } from "@wherry/core";
import { drainPollMs } from "../limits.ts";

/** Resolves when `done`, or after `limitMs`. */
export async function waitFor(done: () => boolean, limitMs: number, clock: Clock): Promise<void> {
  const untilMs = clock.monotonic() + limitMs;
  while (!done() && clock.monotonic() < untilMs) await clock.sleep(drainPollMs);
}
