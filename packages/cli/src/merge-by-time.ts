// Many sequences as one, by time. Each keeps its own order: what has no time of its own comes directly behind what it follows. Holds one
// entry of each sequence, however long they are. Pure.

export interface Timed {
  /** RFC 3339 in UTC, with as many digits in all sequences. */
  readonly time: string | undefined;
}

interface Head<T> {
  readonly rest: AsyncIterator<T, unknown>;
  readonly index: number;
  readonly time: string;
  readonly entry: T;
}

/** At the same time, the sequence that is given first comes first. */
export async function* mergeByTime<T extends Timed>(sequences: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const rests = sequences.map((sequence) => sequence[Symbol.asyncIterator]());
  try {
    const first = await Promise.all(rests.map((rest, index) => headOf(rest, index, "")));
    const heads = first.filter((head) => head !== undefined).sort(byTime);
    for (let head = heads.shift(); head !== undefined; head = heads.shift()) {
      yield head.entry;
      let next = await headOf(head.rest, head.index, head.time);
      while (next !== undefined && next.entry.time === undefined) {
        yield next.entry;
        next = await headOf(next.rest, next.index, next.time);
      }
      if (next !== undefined) heads.splice(placeOf(next, heads), 0, next);
    }
  } finally {
    for (const rest of rests) await rest.return?.();
  }
}

/** @param before the time of what came before it, for one that has none */
async function headOf<T extends Timed>(
  rest: AsyncIterator<T, unknown>,
  index: number,
  before: string,
): Promise<Head<T> | undefined> {
  const next = await rest.next();
  if (next.done === true) return undefined;
  return { rest, index, time: next.value.time ?? before, entry: next.value };
}

function byTime(a: Head<unknown>, b: Head<unknown>): number {
  if (a.time !== b.time) return a.time < b.time ? -1 : 1;
  return a.index - b.index;
}

/** Where it belongs in a sorted list. */
function placeOf(head: Head<unknown>, heads: readonly Head<unknown>[]): number {
  let [low, high] = [0, heads.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = heads[middle];
    if (other !== undefined && byTime(other, head) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
