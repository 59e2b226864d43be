// Waiting for a condition in a test, with patience for a machine that has much else to do.
import { expect } from "vitest";

const patienceMs = 15_000;

/** `expect.poll` with more time: a condition that holds is noticed at once, so patience costs nothing. */
export function eventually<T>(read: () => T): ReturnType<typeof expect.poll<T>> {
  return expect.poll(read, { timeout: patienceMs, interval: 10 });
}
