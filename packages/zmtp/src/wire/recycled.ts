// Memory for large bodies that is used again: who has read a body may give its memory back, to be read into next, without the page faults and the
// collections that fresh memory costs. What is given back is detached first, so that whoever still looks at it sees nothing, and never another message.
import { limits } from "../limits.ts";

interface Use {
  /** Writes under way that take from it. */
  writes: number;
  /** Given back; free when nothing is written from it any more. */
  given: boolean;
}

/** Memory that bodies were received into, and that may be given back. */
const uses = new WeakMap<ArrayBufferLike, Use>();
/** Free memory, the last given first: it is most likely still in the cache. */
const spares: ArrayBuffer[] = [];
let spareBytes = 0;

/** Memory for a large body, of undefined content, which the caller writes over before anybody sees it. */
export function largeBody(bytes: number): Buffer {
  // A spare of up to twice the size serves too. What it is larger by belongs to no frame, but is seen by who looks at the whole `buffer` of one.
  const at = spares.findLastIndex(({ byteLength }) => byteLength >= bytes && byteLength <= bytes * 2);
  const [spare] = at < 0 ? [] : spares.splice(at, 1);
  const body = spare === undefined ? Buffer.allocUnsafeSlow(bytes) : reused(spare, bytes);
  uses.set(body.buffer, { writes: 0, given: false });
  return body;
}

/** The rest of it is emptied, for it holds another peer's message: 20 µs for a whole megabyte, a quarter of what fresh memory costs. */
function reused(spare: ArrayBuffer, bytes: number): Buffer {
  spareBytes -= spare.byteLength;
  new Uint8Array(spare, bytes).fill(0);
  return Buffer.from(spare, 0, bytes);
}

/**
 * Gives the memory of received frames back, for the next large bodies of whatever socket. The frames and all views of their memory are empty from then on;
 * what was sent on before is written first. For those who pass on or work through bodies of a megabyte: see the package's README for what it saves.
 * Frames of less than 32 KiB, and what did not come from the network, are left alone.
 * @param message as received, once nobody needs it any more; do not send it anew.
 * @example
 * socket.onMessages((messages) => {
 *   for (const message of messages) {
 *     work(message);
 *     recycle(message);
 *   }
 *   return undefined;
 * });
 */
export function recycle(message: readonly Uint8Array[]): void {
  for (const { buffer } of message) {
    const use = uses.get(buffer);
    if (use === undefined) continue;
    use.given = true;
    if (use.writes === 0) reclaim(buffer as ArrayBuffer);
  }
}

/** It is being written from, until `written` as often. */
export function writing({ buffer }: Uint8Array): void {
  const use = uses.get(buffer);
  if (use !== undefined) use.writes++;
}

export function written({ buffer }: Uint8Array): void {
  const use = uses.get(buffer);
  if (use !== undefined && --use.writes === 0 && use.given) reclaim(buffer as ArrayBuffer);
}

/** Somebody else has it too, and reads it for as long as he likes: it is not taken back. */
export function shared({ buffer }: Uint8Array): void {
  uses.delete(buffer);
}

function reclaim(buffer: ArrayBuffer): void {
  uses.delete(buffer);
  // Of length 0, the memory goes back to the system at once.
  const kept = spareBytes + buffer.byteLength <= limits.recycledBytesMax;
  const spare = buffer.transfer(kept ? buffer.byteLength : 0);
  if (!kept) return;
  spareBytes += spare.byteLength;
  spares.push(spare);
}
