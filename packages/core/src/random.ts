// Randomness, handed in, so that a test can repeat it from a seed.
import { nodeCrypto } from "./node-crypto.ts";

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** A whole number in [0, below). */
  below(below: number): number;
  /** A version 4 UUID (RFC 9562). */
  uuid(): string;
  /** `length` random bytes, for secrets. */
  bytes(length: number): Uint8Array;
}

/** The machine's randomness: fast for `next`, cryptographic for `uuid` and `bytes`. */
export class SystemRandom implements Random {
  next(): number {
    return Math.random();
  }

  below(below: number): number {
    return Math.floor(Math.random() * below);
  }

  uuid(): string {
    return nodeCrypto().randomUUID();
  }

  bytes(length: number): Uint8Array {
    return nodeCrypto().randomBytes(length);
  }
}

/** The same sequence for the same seed (mulberry32). For tests and simulations only; never for secrets. */
export class SeededRandom implements Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  uuid(): string {
    const hex = [...this.bytes(16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}
