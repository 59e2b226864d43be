// What a stream of claims says of each key. Pure: all who apply the same records in the same order come to the same verdicts.

export interface KeyRecord {
  readonly what: "claim" | "stored" | "dropped";
  readonly key: string;
  /** Of the message. */
  readonly id: string;
  /** By the writer's clock, milliseconds since the epoch. */
  readonly atMs: number;
}

export type Verdict =
  /** Store the message, then say so. */
  | { readonly state: "first" }
  /** That one is stored. */
  | { readonly state: "duplicate"; readonly of: string };

export interface KeyTableOptions {
  /** Milliseconds that a stored key counts. */
  readonly windowMs: number;
  /** Milliseconds that a claim counts whose message is not stored: its owner may be dead. */
  readonly claimMs: number;
  /** Beyond them the oldest are forgotten. */
  readonly keysMax: number;
}

interface Entry {
  id: string;
  atMs: number;
  stored: boolean;
  /** Later claims, which wait for what becomes of this one. */
  readonly line: { readonly id: string; readonly atMs: number }[];
}

const first: Verdict = { state: "first" };

export class KeyTable {
  readonly #options: KeyTableOptions;
  readonly #tell: (id: string, verdict: Verdict) => void;
  /** The oldest first. */
  readonly #entries: Map<string, Entry> = new Map();

  /** @param tell is called once for each claim, of anybody's, that is not dropped before. */
  constructor(options: KeyTableOptions, tell: (id: string, verdict: Verdict) => void) {
    this.#options = options;
    this.#tell = tell;
  }

  get size(): number {
    return this.#entries.size;
  }

  apply({ what, key, id, atMs }: KeyRecord): void {
    const entry = this.#entries.get(key);
    if (what === "claim") this.#claim(key, id, atMs, entry);
    else if (entry === undefined) return;
    else if (what === "dropped") this.#drop(key, id, entry);
    else if (entry.id === id) {
      entry.stored = true;
      for (const waiting of entry.line.splice(0)) this.#tell(waiting.id, { state: "duplicate", of: id });
    }
  }

  #claim(key: string, id: string, atMs: number, entry: Entry | undefined): void {
    // Written again.
    if (entry?.id === id || entry?.line.some((waiting) => waiting.id === id) === true) return;
    if (entry !== undefined && this.#counts(entry, atMs)) {
      if (entry.stored) this.#tell(id, { state: "duplicate", of: entry.id });
      else entry.line.push({ id, atMs });
      return;
    }
    this.#forget(atMs);
    // Last in the map, as the youngest. Who still waits in the old one's line has given up, or does so soon.
    this.#entries.delete(key);
    this.#entries.set(key, { id, atMs, stored: false, line: [] });
    this.#tell(id, first);
  }

  #counts({ stored, atMs }: Entry, nowMs: number): boolean {
    return nowMs < atMs + (stored ? this.#options.windowMs : this.#options.claimMs);
  }

  #drop(key: string, id: string, entry: Entry): void {
    if (entry.id !== id || entry.stored) {
      const index = entry.line.findIndex((waiting) => waiting.id === id);
      if (index >= 0) entry.line.splice(index, 1);
      return;
    }
    const next = entry.line.shift();
    if (next === undefined) {
      this.#entries.delete(key);
      return;
    }
    entry.id = next.id;
    entry.atMs = next.atMs;
    this.#tell(next.id, first);
  }

  #forget(nowMs: number): void {
    const { windowMs, keysMax } = this.#options;
    for (const [key, { atMs }] of this.#entries) {
      if (nowMs < atMs + windowMs && this.#entries.size < keysMax) return;
      this.#entries.delete(key);
    }
  }
}
