// A range of addresses of which each is given out once. Not stored: on start it is filled from the Services that exist
// (k8s: pkg/registry/core/service/ipallocator).
import type { Random } from "@wherry/core";

export class AddressRange {
  readonly #base: number;
  readonly #size: number;
  /** Below this offset nothing is given out unasked, while there is anything above. */
  readonly #reservedBelow: number;
  readonly #taken = new Set<number>();
  readonly #random: Random;

  /** @param cidr IPv4, /8 to /30: `127.5.0.0/20`. */
  constructor(cidr: string, random: Random) {
    const match = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr);
    const base = parseIPv4(match?.[1] ?? "");
    const bits = Number(match?.[2]);
    if (base === undefined || !(bits >= 8 && bits <= 30))
      throw new RangeError(`service addresses: expected an IPv4 range from /8 to /30 such as 10.0.0.0/20, got ${cidr}`);
    this.#size = 2 ** (32 - bits);
    this.#base = base - (base % this.#size);
    this.#reservedBelow = Math.min(Math.max(16, this.#size / 16), 256);
    this.#random = random;
  }

  /** The first usable address: the API server's own Service. */
  get first(): string {
    return formatIPv4(this.#base + 1);
  }

  contains(address: string): boolean {
    return this.#offsetOf(address) !== undefined;
  }

  /** False when it is taken, or not in the range. */
  take(address: string): boolean {
    const offset = this.#offsetOf(address);
    if (offset === undefined || this.#taken.has(offset)) return false;
    this.#taken.add(offset);
    return true;
  }

  /** A free address, from the upper band first; undefined when the range is full. */
  takeAny(): string | undefined {
    const last = this.#size - 1;
    const offset =
      this.#freeBetween(Math.min(this.#reservedBelow, last), last) ?? this.#freeBetween(2, this.#reservedBelow);
    if (offset === undefined) return undefined;
    this.#taken.add(offset);
    return formatIPv4(this.#base + offset);
  }

  release(address: string): void {
    const offset = this.#offsetOf(address);
    if (offset !== undefined) this.#taken.delete(offset);
  }

  #freeBetween(from: number, below: number): number | undefined {
    const count = below - from;
    if (count <= 0) return undefined;
    const start = this.#random.below(count);
    for (let step = 0; step < count; step++) {
      const offset = from + ((start + step) % count);
      if (!this.#taken.has(offset)) return offset;
    }
    return undefined;
  }

  /** Undefined for the network's and the broadcast address, and outside. */
  #offsetOf(address: string): number | undefined {
    const number = parseIPv4(address);
    if (number === undefined) return undefined;
    const offset = number - this.#base;
    return offset > 0 && offset < this.#size - 1 ? offset : undefined;
  }
}

function parseIPv4(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let number = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    number = number * 256 + Number(part);
  }
  return number;
}

const formatIPv4 = (number: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
