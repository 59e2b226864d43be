// A map in order of its string keys, for range reads: a list of sorted chunks, so that an insert moves at most one chunk's
// keys, and a range is found by two binary searches. Order is that of UTF-16 code units (`<`), as in etcd for ASCII keys.

/** Keys per chunk; a fuller one is split in two. Small enough that moving it is cheap, large enough to keep chunks few. */
const chunkKeysMax = 512;

interface Chunk<Value> {
  readonly keys: string[];
  readonly values: Value[];
}

export class SortedMap<Value> {
  readonly #byKey = new Map<string, Value>();
  readonly #chunks: Chunk<Value>[] = [];

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): Value | undefined {
    return this.#byKey.get(key);
  }

  /** Adds the value or replaces the one that is there. */
  set(key: string, value: Value): void {
    const known = this.#byKey.has(key);
    this.#byKey.set(key, value);
    if (this.#chunks.length === 0) this.#chunks.push({ keys: [], values: [] });
    const at = Math.min(this.#chunkFor(key), this.#chunks.length - 1);
    const chunk = this.#chunks[at] as Chunk<Value>;
    const index = lowerBound(chunk.keys, key);
    if (known) {
      chunk.values[index] = value;
      return;
    }
    chunk.keys.splice(index, 0, key);
    chunk.values.splice(index, 0, value);
    if (chunk.keys.length > chunkKeysMax) this.#split(at, chunk);
  }

  delete(key: string): boolean {
    if (!this.#byKey.delete(key)) return false;
    const at = this.#chunkFor(key);
    const chunk = this.#chunks[at] as Chunk<Value>;
    const index = lowerBound(chunk.keys, key);
    chunk.keys.splice(index, 1);
    chunk.values.splice(index, 1);
    if (chunk.keys.length === 0) this.#chunks.splice(at, 1);
    return true;
  }

  /** Visits the values of the keys ≥ `from` that start with `prefix`, in order. The map must not change meanwhile. */
  visit(prefix: string, from: string, visitor: (value: Value) => void): void {
    const start = from < prefix ? prefix : from;
    let at = this.#chunkFor(start);
    let index = lowerBound(this.#chunks[at]?.keys ?? [], start);
    for (; at < this.#chunks.length; at++, index = 0) {
      const { keys, values } = this.#chunks[at] as Chunk<Value>;
      // Keys with a prefix lie together: where the last one has it, all before it have it, too.
      const whole = (keys.at(-1) as string).startsWith(prefix);
      for (; index < keys.length; index++) {
        if (!whole && !(keys[index] as string).startsWith(prefix)) return;
        visitor(values[index] as Value);
      }
    }
  }

  /** The first chunk whose last key is ≥ `key`; the number of chunks when there is none. */
  #chunkFor(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const last = (this.#chunks[middle] as Chunk<Value>).keys.at(-1);
      if (last !== undefined && last < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #split(at: number, chunk: Chunk<Value>): void {
    const half = chunk.keys.length >>> 1;
    this.#chunks.splice(at + 1, 0, { keys: chunk.keys.splice(half), values: chunk.values.splice(half) });
  }
}

/** The index of the first key ≥ `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
