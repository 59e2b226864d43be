// Idempotency keys in this process's memory: for a service with one pod, and for tests. Gone with the process.
import { type Clock, SystemClock } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { keysInMemoryMax, keyTtlMsDefault } from "../limits.ts";
import type { Begun, Claim, KeyedCall, KeyStore, StoredResult } from "./types.ts";

export interface MemoryStoreOptions {
  /** Milliseconds that a result is kept. Default one day. */
  readonly ttlMs?: number;
  /** Keys at a time; a call with a further one is answered BUSY. Default 100 000. */
  readonly keysMax?: number;
  readonly clock?: Clock;
}

interface Entry {
  readonly token: string;
  readonly fingerprint: string;
  result: StoredResult | undefined;
  untilMs: number;
  readonly settled: PromiseWithResolvers<undefined>;
}

/** @example service("orders", { dedupe: memoryStore(), methods: { order: method({ keyed: true, handler: order }) } }) */
export function memoryStore(options: MemoryStoreOptions = {}): KeyStore {
  return new MemoryStore(options);
}

class MemoryStore implements KeyStore {
  readonly leaseMs: number = Infinity;
  readonly #entries: Map<string, Entry> = new Map();
  readonly #ttlMs: number;
  readonly #keysMax: number;
  readonly #clock: Clock;
  #lastToken = 0;

  constructor({ ttlMs = keyTtlMsDefault, keysMax = keysInMemoryMax, clock = new SystemClock() }: MemoryStoreOptions) {
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
    if (this.#entries.size >= this.#keysMax)
      throw new ServiceError("BUSY", `${this.#keysMax} idempotency keys are kept already; try again later`, {
        retryable: true,
      });
    const claim: Claim = { ...call, token: String(++this.#lastToken) };
    const settled = Promise.withResolvers<undefined>();
    const { token, fingerprint } = claim;
    this.#entries.set(nameOf(call), { token, fingerprint, result: undefined, untilMs: Infinity, settled });
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
    entry.untilMs = this.#clock.monotonic() + this.#ttlMs;
    entry.settled.resolve(undefined);
    return true;
  }

  forget(claim: Claim): void {
    const entry = this.#owned(claim);
    if (entry === undefined) return;
    this.#entries.delete(nameOf(claim));
    entry.settled.resolve(undefined);
  }

  close(): void {
    this.#entries.clear();
  }

  #owned(claim: Claim): Entry | undefined {
    const entry = this.#entries.get(nameOf(claim));
    return entry?.token === claim.token && entry.result === undefined ? entry : undefined;
  }

  #forgetOld(): void {
    const nowMs = this.#clock.monotonic();
    for (const [name, { result, untilMs }] of this.#entries) {
      if (result === undefined) continue;
      if (untilMs > nowMs) return;
      this.#entries.delete(name);
    }
  }
}

/** Neither part can hold a NUL: a header's text could, a key with one is a key like any other, for the scope has none. */
function nameOf({ scope, key }: KeyedCall): string {
  return `${scope}\0${key}`;
}
