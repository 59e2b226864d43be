// Idempotency keys in this process's memory: for a service with one pod, and for tests. Gone with the process.
import { type Clock, SystemClock } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { keysInMemoryBytesMax, keysInMemoryMax, keyTtlMsDefault } from "../limits.ts";
import { hasShare } from "../server/party.ts";
import type { Begun, Claim, KeyedCall, KeyStore, StoredResult } from "./types.ts";

export interface MemoryStoreOptions {
  /** Milliseconds that a result is kept. Default one day. */
  readonly ttlMs?: number;
  /** Keys at a time; a call with a further one, or a caller with more than its share, is answered BUSY. Default 100 000. */
  readonly keysMax?: number;
  /** Bytes of keys and results at a time; then a call with a further key is answered BUSY. Default 64 MiB. */
  readonly bytesMax?: number;
  readonly clock?: Clock;
}

interface Entry {
  readonly token: string;
  readonly fingerprint: string;
  /** What it holds. */
  bytes: number;
  result: StoredResult | undefined;
  untilMs: number;
  readonly settled: PromiseWithResolvers<undefined>;
  readonly owner: Owner;
}

/** A caller, and what of the store is held for it. */
interface Owner {
  readonly name: string;
  keys: number;
  bytes: number;
}

/** @example service("orders", { dedupe: memoryStore(), methods: { order: method({ keyed: true, handler: order }) } }) */
export function memoryStore(options: MemoryStoreOptions = {}): KeyStore {
  return new MemoryStore(options);
}

class MemoryStore implements KeyStore {
  readonly leaseMs: number = Infinity;
  readonly #entries: Map<string, Entry> = new Map();
  readonly #owners: Map<string, Owner> = new Map();
  readonly #ttlMs: number;
  readonly #keysMax: number;
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #clock: Clock;
  #lastToken = 0;

  constructor(options: MemoryStoreOptions) {
    const { ttlMs = keyTtlMsDefault, keysMax = keysInMemoryMax, bytesMax = keysInMemoryBytesMax } = options;
    const { clock = new SystemClock() } = options;
    this.#bytesMax = bytesMax;
    this.#ttlMs = ttlMs;
    this.#keysMax = keysMax;
    this.#clock = clock;
  }

  begin(call: KeyedCall): Begun {
    this.#forgetOld();
    const known = this.#entries.get(nameOf(call));
    if (known === undefined) return this.#enter(call);
    if (known.fingerprint !== call.fingerprint) return { state: "other-body" };
    if (known.result !== undefined) return { state: "done", result: known.result };
    return { state: "running", settled: known.settled.promise };
  }

  #enter(call: KeyedCall): Begun {
    const owner = this.#ownerOf(call);
    const kept = this.#entries.size;
    const isFull = kept >= this.#keysMax || this.#bytes >= this.#bytesMax;
    if (isFull || (call.caller !== undefined && !this.#hasShare(owner))) {
      const whose = `${owner.keys} of ${owner.bytes} bytes of this caller`;
      const message = `${kept} idempotency keys of ${this.#bytes} bytes are kept, ${whose}; try again later`;
      throw new ServiceError("BUSY", message, { retryable: true });
    }
    const claim: Claim = { ...call, token: String(++this.#lastToken) };
    const settled = Promise.withResolvers<undefined>();
    const { token, fingerprint } = claim;
    const bytes = Buffer.byteLength(nameOf(call)) + fingerprint.length;
    this.#entries.set(nameOf(call), {
      token,
      fingerprint,
      bytes,
      result: undefined,
      untilMs: Infinity,
      settled,
      owner,
    });
    owner.keys++;
    this.#owners.set(owner.name, owner);
    this.#holds(owner, bytes);
    return { state: "new", claim };
  }

  renew(): void {
    // Its owner is this process.
  }

  finish(claim: Claim, result: StoredResult): boolean {
    const entry = this.#owned(claim);
    if (entry === undefined) return false;
    // Again at the end: the oldest result is always the first that has one.
    this.#entries.delete(nameOf(claim));
    this.#entries.set(nameOf(claim), entry);
    entry.result = result;
    // A result is kept in any case: its effect has happened.
    const bytes = result.body?.length ?? 0;
    entry.bytes += bytes;
    this.#holds(entry.owner, bytes);
    entry.untilMs = this.#clock.monotonic() + this.#ttlMs;
    entry.settled.resolve(undefined);
    return true;
  }

  forget(claim: Claim): void {
    const entry = this.#owned(claim);
    if (entry === undefined) return;
    this.#drop(nameOf(claim), entry);
    entry.settled.resolve(undefined);
  }

  #drop(name: string, { bytes, owner }: Entry): void {
    this.#entries.delete(name);
    this.#holds(owner, -bytes);
    if (--owner.keys === 0) this.#owners.delete(owner.name);
  }

  #holds(owner: Owner, bytes: number): void {
    owner.bytes += bytes;
    this.#bytes += bytes;
  }

  #hasShare({ keys, bytes }: Owner): boolean {
    return hasShare(keys, this.#entries.size, this.#keysMax) && hasShare(bytes, this.#bytes, this.#bytesMax);
  }

  #ownerOf({ caller: name = "" }: KeyedCall): Owner {
    return this.#owners.get(name) ?? { name, keys: 0, bytes: 0 };
  }

  close(): void {
    this.#entries.clear();
    this.#owners.clear();
    this.#bytes = 0;
  }

  #owned(claim: Claim): Entry | undefined {
    const entry = this.#entries.get(nameOf(claim));
    return entry?.token === claim.token && entry.result === undefined ? entry : undefined;
  }

  #forgetOld(): void {
    const nowMs = this.#clock.monotonic();
    for (const [name, entry] of this.#entries) {
      if (entry.result === undefined) continue;
      if (entry.untilMs > nowMs) return;
      this.#drop(name, entry);
    }
  }
}

/** Neither part can hold a NUL: a header's text could, a key with one is a key like any other, for the scope has none. */
function nameOf({ scope, key }: KeyedCall): string {
  return `${scope}\0${key}`;
}
