// For every test file of this package: whatever a test opened is gone when it is over. Files import it, or a suite that does, before
// they register hooks of their own, so that it looks before their set-up and after their clean-up.
import { afterEach, beforeEach, expect } from "vitest";

/** Timers of the code under test and of the tests. The test runner's own are not in here: it keeps the functions it began with. */
const timers = new Set<{ readonly _destroyed: boolean }>();

function watched<F extends typeof setTimeout | typeof setInterval>(start: F): F {
  return new Proxy(start, {
    apply(target, self, args: unknown[]): unknown {
      const timer: unknown = Reflect.apply(target, self, args);
      timers.add(timer as { readonly _destroyed: boolean });
      return timer;
    },
  });
}
globalThis.setTimeout = watched(globalThis.setTimeout);
globalThis.setInterval = watched(globalThis.setInterval);

/** What is open, by kind: Node's handles, timers, and the listeners on `process`. */
export function open(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    // The runner's timers come and go; `setImmediate` is how this waits.
    if (kind !== "Timeout" && kind !== "Immediate") counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  for (const event of process.eventNames()) counts.set(`process.on ${String(event)}`, process.listenerCount(event));
  for (const timer of timers) if (timer._destroyed) timers.delete(timer);
  counts.set("timer", timers.size);
  return counts;
}

/** What there is more of than before, as `kind: number`. */
export function leftovers(before: ReadonlyMap<string, number>): string[] {
  const more: string[] = [];
  for (const [kind, count] of open()) {
    const extra = count - (before.get(kind) ?? 0);
    if (extra > 0) more.push(`${kind}: ${extra}`);
  }
  return more;
}

let before: ReadonlyMap<string, number> = new Map();

beforeEach(() => {
  before = open();
});

afterEach(async () => {
  // Closing takes the event loop a few rounds, on a busy machine a moment; then nothing may be left.
  const deadlineMs = performance.now() + 60_000;
  while (leftovers(before).length > 0 && performance.now() < deadlineMs)
    await new Promise((resolve) => setImmediate(resolve));
  expect(leftovers(before)).toEqual([]);
});
