// Gives the pods of one node their addresses. An address that was given back waits until all others had their turn, so that a
// client that still knows the old pod does not meet a new one. Pure, in memory: a restarted agent takes back what its pods have.

export interface PodAddresses {
  take(podUid: string, preferred?: string): string | undefined;
  release(podUid: string): void;
}

export interface PodAddressesOptions {
  /** `127.5.64.0/22`. Its first address (.0) stays unused, its second is the node's own. */
  readonly cidr: string;
  /** Does anything still listen on it? Asked before an address is used a second time. */
  readonly isBound?: (address: string) => boolean;
}

export function podAddresses({ cidr, isBound }: PodAddressesOptions): PodAddresses {
  const { base, size } = parseCidr(cidr);
  const byPod = new Map<string, string>();
  const used = new Set<string>();
  /** In order of their return. */
  const returned = new Set<string>();
  let next = 2;

  const fresh = (): string | undefined => {
    while (next < size - 1) {
      const address = format(base + next++);
      if (!used.has(address) && !returned.has(address)) return address;
    }
    for (const address of returned) if (isBound?.(address) !== true) return address;
    return undefined;
  };
  return {
    take(podUid, preferred) {
      const known = byPod.get(podUid);
      if (known !== undefined) return known;
      const wanted =
        preferred !== undefined && !used.has(preferred) && contains(base, size, preferred) ? preferred : undefined;
      const address = wanted ?? fresh();
      if (address === undefined) return undefined;
      returned.delete(address);
      used.add(address);
      byPod.set(podUid, address);
      // After a restart go on behind what is in use, not in the gaps of what has just been deleted.
      if (wanted !== undefined) next = Math.max(next, (parse(wanted) ?? 0) - base + 1);
      return address;
    },
    release(podUid) {
      const address = byPod.get(podUid);
      if (address === undefined) return;
      byPod.delete(podUid);
      used.delete(address);
      returned.add(address);
    },
  };
}

function contains(base: number, size: number, address: string): boolean {
  const number = parse(address);
  return number !== undefined && number > base + 1 && number < base + size - 1;
}

function parseCidr(cidr: string): { readonly base: number; readonly size: number } {
  const [address = "", bits = ""] = cidr.split("/");
  const base = parse(address);
  const length = Number(bits);
  if (base === undefined || !Number.isInteger(length) || length < 8 || length > 30)
    throw new RangeError(`${JSON.stringify(cidr)} must be an IPv4 range like 127.5.64.0/22`);
  return { base, size: 2 ** (32 - length) };
}

function parse(address: string): number | undefined {
  const parts = address.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

function format(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");
}
