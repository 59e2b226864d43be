// Rendezvous hashing (highest random weight): everyone who hashes the same key over the same members picks the same one, and
// when a member leaves, only its keys move. https://en.wikipedia.org/wiki/Rendezvous_hashing. Pure arithmetic.

/** FNV-1a, 32 bits, over UTF-16 units; mixed at the end, so that texts that differ in the last character differ everywhere. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return mixed(hash);
}

/** The weight of a member for a key, of their hashes: independent of all other members. */
export function weightOf(keyHash: number, memberHash: number): number {
  return mixed(Math.imul(keyHash, 0x9e3779b1) ^ memberHash);
}

/** The finalizer of MurmurHash3: every bit of the input moves every bit of the result. */
function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
