// One partition that is this pod's: what was fetched and not yet delivered, what is committed, and which keys were seen. Pure state; a
// message is done when the committed offset has passed it, and only one of a partition is out at a time, so the order is kept.
import { kafkaKeysMax } from "../../limits.ts";
import { header, numberOf, type Texts } from "../headers.ts";
import { kafkaHeader } from "./names.ts";

export interface Entry {
  readonly offset: bigint;
  /** By Kafka's clock, milliseconds since the epoch. */
  readonly storedMs: number;
  readonly key: string | undefined;
  readonly value: Buffer;
  readonly headers: Texts;
}

export class Partition {
  readonly topic: string;
  readonly number: number;
  /** Everything before it is done. */
  committed: bigint;
  /** Deliveries of the message at `committed` that were begun and not finished: kept in the commit's metadata, so that a crash counts. */
  started: number;
  /** The next offset to fetch: before `committed` where keys must be known again. */
  position: bigint;
  busy = false;
  readonly buffer: Entry[] = [];
  readonly #dedupes: boolean;
  readonly #windowMs: number;
  /** Keys of the window, oldest first, with where each was first. */
  readonly #seen: Map<string, { readonly storedMs: number; readonly offset: bigint }> = new Map();

  constructor(
    place: { readonly topic: string; readonly number: number; readonly dedupes: boolean },
    state: { readonly committed: bigint; readonly started: number; readonly position: bigint },
    windowMs: number,
  ) {
    this.topic = place.topic;
    this.number = place.number;
    this.#dedupes = place.dedupes;
    this.committed = state.committed;
    this.started = state.started;
    this.position = state.position;
    this.#windowMs = windowMs;
  }

  /** Takes in what was fetched, in order. A second message with a key of the window is passed over. */
  admit(entry: Entry): void {
    if (entry.offset < this.position) return;
    this.position = entry.offset + 1n;
    const duplicate = this.#isDuplicate(entry);
    if (entry.offset < this.committed || duplicate) return;
    this.buffer.push(entry);
  }

  #isDuplicate({ key, headers, offset, storedMs }: Entry): boolean {
    if (key === undefined || !this.#dedupes || headers[kafkaHeader.again] !== undefined) return false;
    this.#forget(storedMs);
    const first = this.#seen.get(key);
    if (first !== undefined && storedMs - first.storedMs < this.#windowMs) return true;
    this.#seen.delete(key);
    this.#seen.set(key, { storedMs, offset });
    return false;
  }

  #forget(nowMs: number): void {
    for (const [key, { storedMs }] of this.#seen) {
      if (nowMs - storedMs < this.#windowMs && this.#seen.size < kafkaKeysMax) return;
      this.#seen.delete(key);
    }
  }

  /** Deliveries that the message had, this one included. */
  countOf({ offset, headers }: Entry): number {
    return numberOf(headers, header.count) + (offset === this.committed ? this.started : 0) + 1;
  }

  /** Messages before it are done, and their keys out of the window: Kafka may delete them. */
  get trimmable(): bigint {
    const [oldest] = this.#seen.values();
    return oldest === undefined || oldest.offset > this.committed ? this.committed : oldest.offset;
  }

  /** What can be committed when nothing is out: up to what waits, or all that was fetched. */
  get settledThrough(): bigint {
    const next = this.buffer[0]?.offset ?? this.position;
    return next > this.committed ? next : this.committed;
  }
}
