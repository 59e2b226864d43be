// Every key's versions since the last compaction, for reads now and in the past. Holds durable versions only; the pending
// ones are the core's.
import { assert } from "@wherry/core";
import { SortedMap } from "./sorted-map.ts";
import type { Entry, Range, Revision, StoreEvent } from "./types.ts";

interface Version {
  readonly revision: Revision;
  /** Undefined: deleted at this revision. */
  readonly entry: Entry | undefined;
}

/** One key's versions, oldest first, never empty. */
interface Chain {
  readonly versions: Version[];
}

export class Versions {
  readonly #chains = new SortedMap<Chain>();

  /** The newest version. */
  newest(key: string): Entry | undefined {
    return this.#chains.get(key)?.versions.at(-1)?.entry;
  }

  /** The version at `revision`, which must not be compacted. */
  at(key: string, revision: Revision): Entry | undefined {
    const chain = this.#chains.get(key);
    return chain && versionAt(chain, revision);
  }

  /** A page of the snapshot at `revision`, and how many entries follow it. */
  page(
    range: Range,
    revision: Revision,
    after: string | undefined,
    limit: number,
  ): { readonly entries: Entry[]; readonly remaining: number } {
    const entries: Entry[] = [];
    let remaining = 0;
    this.#chains.visit(range.prefix, after ?? range.prefix, (chain) => {
      const entry = versionAt(chain, revision);
      if (entry === undefined || entry.key === after) return;
      if (entries.length < limit) entries.push(entry);
      else remaining++;
    });
    return { entries, remaining };
  }

  add({ type, entry, revision }: StoreEvent): void {
    const version: Version = { revision, entry: type === "put" ? entry : undefined };
    const chain = this.#chains.get(entry.key);
    if (chain === undefined) this.#chains.set(entry.key, { versions: [version] });
    else chain.versions.push(version);
  }

  /**
   * Forgets what no read at or after this event's revision needs. Events come here oldest first, each once.
   * @returns the revisions that are gone: of the version before it, and of the event itself if it is a delete.
   */
  forgetBefore({ type, entry, previous, revision }: StoreEvent): Revision[] {
    const chain = this.#chains.get(entry.key);
    assert(chain !== undefined, `the versions of ${entry.key} are known as long as an event of it is`);
    const gone: Revision[] = [];
    if (previous !== undefined) gone.push(shift(chain, previous.revision));
    if (type === "delete") gone.push(shift(chain, revision));
    if (chain.versions.length === 0) this.#chains.delete(entry.key);
    return gone;
  }
}

function shift(chain: Chain, expected: Revision): Revision {
  const oldest = chain.versions.shift();
  assert(oldest?.revision === expected, `the oldest version is ${expected}, not ${oldest?.revision}`);
  return expected;
}

function versionAt({ versions }: Chain, revision: Revision): Entry | undefined {
  // Most reads are of now: look at the newest before searching.
  const newest = versions[versions.length - 1] as Version;
  if (newest.revision <= revision) return newest.entry;
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((versions[middle] as Version).revision <= revision) low = middle + 1;
    else high = middle;
  }
  return versions[low - 1]?.entry;
}
