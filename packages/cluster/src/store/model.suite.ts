// What a store is, in the fewest words: the list of all that was ever written. Every answer is found by reading it from the
// start. The backends are compared with it.
import type { Entry, Revision, StoreEvent } from "./types.ts";

export class Model {
  /** Of revision n at n - 1, for ever. */
  readonly #log: StoreEvent[] = [];
  compactRevision: Revision = 0;

  get headRevision(): Revision {
    return this.#log.length;
  }

  head(key: string): Entry | undefined {
    return this.#at(key, this.headRevision);
  }

  /** `entry` when it was written, else `current` is the reason why not. */
  write(
    type: "put" | "delete",
    key: string,
    expected: Revision,
    encode: (revision: Revision) => string,
  ): { readonly entry: Entry | undefined; readonly current: Entry | undefined } {
    const current = this.head(key);
    const matches = type === "put" ? (current?.revision ?? 0) === expected : current?.revision === expected;
    if (!matches) return { entry: undefined, current };
    const revision = this.headRevision + 1;
    const entry = { key, value: encode(revision), createRevision: current?.createRevision ?? revision, revision };
    this.#log.push({ type, entry, previous: current, revision });
    return { entry, current };
  }

  compact(through: Revision): void {
    this.compactRevision = Math.max(this.compactRevision, through);
  }

  /** By key. */
  snapshot(prefix: string, at: Revision): Entry[] {
    const keys = new Set(this.#log.slice(0, at).map((event) => event.entry.key));
    return [...keys]
      .filter((key) => key.startsWith(prefix))
      .sort()
      .map((key) => this.#at(key, at))
      .filter((entry) => entry !== undefined);
  }

  /** After `after`, up to `through`. */
  events(prefix: string, after: Revision, through: Revision): StoreEvent[] {
    return this.#log.slice(after, through).filter((event) => event.entry.key.startsWith(prefix));
  }

  #at(key: string, revision: Revision): Entry | undefined {
    const last = this.#log.slice(0, revision).findLast((event) => event.entry.key === key);
    return last?.type === "put" ? last.entry : undefined;
  }
}
