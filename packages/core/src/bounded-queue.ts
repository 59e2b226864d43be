// A first-in first-out queue that says no when it is full. Ring buffer: `push` and `shift` take constant time.

export class BoundedQueue<T> {
  readonly capacity: number;
  #items: (T | undefined)[] = new Array<T | undefined>(16);
  #head = 0;
  #size = 0;

  /** @param capacity the most items it holds, ≥ 1. */
  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new RangeError(`capacity: expected a whole number ≥ 1, got ${capacity}`);
    this.capacity = capacity;
  }

  get size(): number {
    return this.#size;
  }

  /** False, and nothing changed, when it is full. */
  push(item: T): boolean {
    if (this.#size === this.capacity) return false;
    if (this.#size === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#size) & (this.#items.length - 1)] = item;
    this.#size++;
    return true;
  }

  /** The oldest item, removed; undefined when empty. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#size--;
    return item;
  }

  /** The oldest item, kept; undefined when empty. */
  peek(): T | undefined {
    return this.#size === 0 ? undefined : this.#items[this.#head];
  }

  /** Removes and returns everything, oldest first. */
  drain(): T[] {
    const items: T[] = [];
    while (this.#size > 0) items.push(this.shift() as T);
    return items;
  }

  /** What it holds, oldest first; not to be changed meanwhile. */
  *[Symbol.iterator](): Generator<T, undefined> {
    for (let index = 0; index < this.#size; index++)
      yield this.#items[(this.#head + index) & (this.#items.length - 1)] as T;
  }

  #grow(): void {
    const grown = new Array<T | undefined>(this.#items.length * 2);
    for (let index = 0; index < this.#size; index++)
      grown[index] = this.#items[(this.#head + index) & (this.#items.length - 1)];
    this.#items = grown;
    this.#head = 0;
  }
}
