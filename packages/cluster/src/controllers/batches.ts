// Many writes without all of them in flight at once.

/** Calls `write` for each item, `size` at a time. A failed batch is the last one; its first error is thrown. */
export async function inBatches<T>(
  items: readonly T[],
  size: number,
  write: (item: T) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < items.length; start += size)
    await Promise.all(items.slice(start, start + size).map(write));
}
