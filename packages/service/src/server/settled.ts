// Waits until what the kernel has is read. After a turn of the event loop that took long, timers come first: by them alone everybody has
// been silent, whose messages lie there. Waits for nothing else.

/** One whole turn of the event loop: what the kernel has received or let in already is read and accepted first. */
export async function settled(): Promise<void> {
  for (let half = 0; half < 2; half++) await new Promise((resolve) => setImmediate(resolve));
}
