// Waiting for a condition in a test that holds soon as a rule.
import { expect } from "vitest";

/** `expect.poll` that looks more often. */
export function eventually<T>(read: () => T): ReturnType<typeof expect.poll<T>> {
  return expect.poll(read, { interval: 10 });
}
