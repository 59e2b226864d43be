// What a loop has done and its cache has not shown yet. A loop that counts objects in a stale cache would create or delete
// twice; it does neither while something is still expected (kubernetes: pkg/controller/controller_utils.go).
import type { Clock } from "@wherry/core";
import { expectationsMs } from "./limits.ts";
import type { Key } from "./types.ts";

interface Expected {
  creates: number;
  /** UIDs: an update of an object that is on its way out must not be taken for its deletion. */
  readonly deletes: Set<string>;
  sinceMs: number;
}

/**
 * Per key of the owner. Announce *before* the call, take back when the call failed, report what the informer shows.
 * @example
 * if (!expectations.satisfied(key)) return undefined; // the cache is behind: its change will bring the key back
 * expectations.expectCreates(key, 1);
 * try { await client.create(resources.pods, pod); } catch (error) { expectations.createSeen(key); throw error; }
 */
export class Expectations {
  readonly #clock: Clock;
  readonly #byKey = new Map<Key, Expected>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Nothing is expected, or it is so long ago that it will not come. */
  satisfied(key: Key): boolean {
    const expected = this.#byKey.get(key);
    if (expected === undefined) return true;
    const over = this.#clock.monotonic() - expected.sinceMs >= expectationsMs;
    if (over) this.#byKey.delete(key);
    return over;
  }

  expectCreates(key: Key, count: number): void {
    this.#expected(key).creates += count;
    this.#settle(key);
  }

  expectDeletes(key: Key, uids: Iterable<string>): void {
    const { deletes } = this.#expected(key);
    for (const uid of uids) deletes.add(uid);
    this.#settle(key);
  }

  /** One is in the cache, or its creation failed. */
  createSeen(key: Key): void {
    const expected = this.#byKey.get(key);
    if (expected === undefined) return;
    expected.creates = Math.max(0, expected.creates - 1);
    this.#settle(key);
  }

  /** It is gone from the cache (or on its way, if that is what the loop counts), or its deletion failed. */
  deleteSeen(key: Key, uid: string): void {
    this.#byKey.get(key)?.deletes.delete(uid);
    this.#settle(key);
  }

  /** The owner is gone. */
  forget(key: Key): void {
    this.#byKey.delete(key);
  }

  #expected(key: Key): Expected {
    const sinceMs = this.#clock.monotonic();
    let expected = this.#byKey.get(key);
    if (expected === undefined) {
      expected = { creates: 0, deletes: new Set(), sinceMs };
      this.#byKey.set(key, expected);
    }
    expected.sinceMs = sinceMs;
    return expected;
  }

  #settle(key: Key): void {
    const expected = this.#byKey.get(key);
    if (expected !== undefined && expected.creates === 0 && expected.deletes.size === 0) this.#byKey.delete(key);
  }
}
