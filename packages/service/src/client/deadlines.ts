// The calls that are under way, and when each of them is too late. Calls that were given the same time are late in the order in which they
// began: they stand in one list with one timer, which is set for the first of them. So a call costs two links, not a timer and an
// entry in a table of its own, and deadlines are as exact as timers. Settles nothing itself.
import type { Clock, Timer } from "@wherry/core";

/** What stands in a list; the links are this file's own. */
export interface Timed {
  /** By `Clock.monotonic`. */
  readonly deadlineMs: number;
  /** Milliseconds from its beginning to its deadline. */
  readonly withinMs: number;
  earlier: Timed | undefined;
  later: Timed | undefined;
  list: TimedList | undefined;
}

/** All that were given the same time, earliest first. A pending timer keeps the process alive; an empty list has none. */
export interface TimedList {
  readonly withinMs: number;
  first: Timed | undefined;
  last: Timed | undefined;
  timer: Timer | undefined;
}

export class Deadlines<T extends Timed> {
  readonly #clock: Clock;
  readonly #late: (item: T) => void;
  /** Those that are not empty, by their time. */
  readonly #lists: Map<number, TimedList> = new Map();
  /** The list that was used last, empty or not: most calls have the time that the one before had. */
  #recent: TimedList | undefined;

  /** @param late is called once for each item whose deadline has come, which is not under way any more by then. */
  constructor(clock: Clock, late: (item: T) => void) {
    this.#clock = clock;
    this.#late = late;
  }

  /** It has just begun. */
  add(item: T): void {
    const list = this.#recent?.withinMs === item.withinMs ? this.#recent : this.#listOf(item.withinMs);
    this.#recent = list;
    item.list = list;
    item.earlier = list.last;
    if (list.last === undefined) {
      list.first = item;
      this.#lists.set(item.withinMs, list);
      this.#wait(list, item.withinMs);
    } else list.last.later = item;
    list.last = item;
  }

  /** It is over; one that is not under way stays so. */
  remove(item: T): void {
    const { list, earlier, later } = item;
    if (list === undefined) return;
    if (earlier === undefined) list.first = later;
    else earlier.later = later;
    if (later === undefined) list.last = earlier;
    else later.earlier = earlier;
    item.list = item.earlier = item.later = undefined;
    if (list.first !== undefined) return;
    list.timer?.cancel();
    list.timer = undefined;
    this.#lists.delete(list.withinMs);
  }

  /** What is under way now. */
  all(): T[] {
    const items: T[] = [];
    for (const { first } of this.#lists.values())
      for (let item = first; item !== undefined; item = item.later) items.push(item as T);
    return items;
  }

  #listOf(withinMs: number): TimedList {
    return this.#lists.get(withinMs) ?? { withinMs, first: undefined, last: undefined, timer: undefined };
  }

  /** Unless it waits already: whoever was late may have begun the first of another row. */
  #wait(list: TimedList, delayMs: number): void {
    list.timer ??= this.#clock.timer(delayMs, () => this.#look(list));
  }

  #look(list: TimedList): void {
    list.timer = undefined;
    const nowMs = this.#clock.monotonic();
    for (let { first } = list; first !== undefined; { first } = list) {
      // A timer may fire a fraction of a millisecond early.
      if (first.deadlineMs - nowMs >= 1) {
        this.#wait(list, first.deadlineMs - nowMs);
        return;
      }
      this.remove(first as T);
      this.#late(first as T);
    }
  }
}
