// eslint-disable-next-line @typescript-eslint/triple-slash-reference -- libsodium has no types, and the tests are a program of their own
/// <reference path="./libsodium.d.ts" />
// NaCl's box (X25519, XSalsa20, Poly1305) by libsodium compiled to WebAssembly (docs/decisions/0009). Only `curve.ts` and its
// parts import this file, so that whoever does without CURVE never loads it.
import { getRandomValues } from "node:crypto";
import load from "libsodium";
import { limits } from "../limits.ts";

export const keyBytes = 32;
export const macBytes = 16;
const nonceBytes = 24;
/** The part of a CURVE nonce that tells what it is for; eight bytes of counter follow. */
export const noncePrefixBytes = 16;

const sodium = await load({ getRandomValue: () => getRandomValues(new Uint32Array(1))[0] ?? 0 });
if (sodium._sodium_init() < 0) throw new Error("libsodium could not be initialized");

/** Fixed places in the library's heap. */
const keyAt = sodium._malloc(keyBytes * 3);
const nonceAt = sodium._malloc(nonceBytes);
/** The MAC, and right behind it the text, which is sealed and opened where it lies. */
let boxAt = sodium._malloc(limits.sodiumHeapKeptBytes);
let boxCapacity: number = limits.sodiumHeapKeptBytes;

/** What lies at `keyAt` and `nonceAt` now: mostly the next message has the same. */
let keyThere: Uint8Array | undefined;
let prefixThere: Uint8Array | undefined;

export interface KeyPair {
  readonly publicKey: Buffer;
  readonly secretKey: Buffer;
}

export function makeKeyPair(): KeyPair {
  keyThere = undefined;
  sodium._crypto_box_keypair(keyAt, keyAt + keyBytes);
  return { publicKey: copyOut(keyAt), secretKey: copyOut(keyAt + keyBytes) };
}

export function publicKeyOf(secretKey: Uint8Array): Buffer {
  keyThere = undefined;
  sodium.HEAPU8.set(secretKey, keyAt + keyBytes);
  sodium._crypto_scalarmult_base(keyAt, keyAt + keyBytes);
  return copyOut(keyAt);
}

/** The key that two parties share; undefined for a public key of low order, which no honest party has. */
export function sharedKey(publicKey: Uint8Array, secretKey: Uint8Array): Buffer | undefined {
  keyThere = undefined;
  sodium.HEAPU8.set(publicKey, keyAt + keyBytes);
  sodium.HEAPU8.set(secretKey, keyAt + 2 * keyBytes);
  const failed = sodium._crypto_box_beforenm(keyAt, keyAt + keyBytes, keyAt + 2 * keyBytes) !== 0;
  return failed ? undefined : copyOut(keyAt);
}

/** Seals by a shared (or secret) key. @param nonce 24 bytes, never used twice with the same key. */
export function seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Buffer {
  const sealed = Buffer.alloc(macBytes + plain.length);
  if (!room(plain.length)) throw new Error("no memory to encrypt a handshake command");
  useKey(key);
  prefixThere = undefined;
  sodium.HEAPU8.set(nonce, nonceAt);
  sodium.HEAPU8.set(plain, boxAt + macBytes);
  sealThere(plain.length);
  sealed.set(sodium.HEAPU8.subarray(boxAt, boxAt + sealed.length));
  return sealed;
}

/** The opposite of `seal`; undefined when it was not sealed by this key and nonce, or was changed since. */
export function open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  const bytes = sealed.length - macBytes;
  if (bytes < 0 || !room(bytes)) return undefined;
  useKey(key);
  prefixThere = undefined;
  sodium.HEAPU8.set(nonce, nonceAt);
  sodium.HEAPU8.set(sealed, boxAt);
  if (!openThere(bytes)) return undefined;
  return Buffer.from(sodium.HEAPU8.subarray(boxAt + macBytes, boxAt + macBytes + bytes));
}

/**
 * For message frames, without allocating: writes MAC and sealed (`first`, `body`) to `target` at `at`.
 * @returns false when there is no memory for it.
 */
export function sealFrame(
  key: Uint8Array,
  prefix: Uint8Array,
  counter: number,
  first: number,
  body: Uint8Array,
  target: Buffer,
  at: number,
): boolean {
  const bytes = 1 + body.length;
  if (!room(bytes)) return false;
  useKey(key);
  useNonce(prefix, Math.floor(counter / 2 ** 32), counter >>> 0);
  const heap = sodium.HEAPU8;
  const textAt = boxAt + macBytes;
  heap[textAt] = first;
  heap.set(body, textAt + 1);
  sealThere(bytes);
  target.set(heap.subarray(boxAt, textAt + bytes), at);
  shrink();
  return true;
}

/**
 * The opposite of `sealFrame`, in place: the MAC begins at `at` in `frame`, and what follows becomes the plain text.
 * @returns whether it was sealed by this key and nonce; else the frame is as it was.
 */
export function openFrame(
  key: Uint8Array,
  prefix: Uint8Array,
  counterHigh: number,
  counterLow: number,
  frame: Buffer,
  at: number,
): boolean {
  const bytes = frame.length - at - macBytes;
  if (!room(bytes)) return false;
  useKey(key);
  useNonce(prefix, counterHigh, counterLow);
  const heap = sodium.HEAPU8;
  heap.set(frame.subarray(at), boxAt);
  const opened = openThere(bytes);
  if (opened) frame.set(heap.subarray(boxAt + macBytes, boxAt + macBytes + bytes), at + macBytes);
  shrink();
  return opened;
}

function sealThere(bytes: number): void {
  const textAt = boxAt + macBytes;
  sodium._crypto_box_detached_afternm(textAt, boxAt, textAt, bytes, 0, nonceAt, keyAt);
}

function openThere(bytes: number): boolean {
  const textAt = boxAt + macBytes;
  return sodium._crypto_box_open_detached_afternm(textAt, textAt, boxAt, bytes, 0, nonceAt, keyAt) === 0;
}

function useKey(key: Uint8Array): void {
  if (keyThere === key) return;
  sodium.HEAPU8.set(key, keyAt);
  keyThere = key;
}

function useNonce(prefix: Uint8Array, high: number, low: number): void {
  const heap = sodium.HEAPU8;
  if (prefixThere !== prefix) {
    heap.set(prefix, nonceAt);
    prefixThere = prefix;
  }
  const at = nonceAt + noncePrefixBytes;
  heap[at] = high >>> 24;
  heap[at + 1] = high >>> 16;
  heap[at + 2] = high >>> 8;
  heap[at + 3] = high;
  heap[at + 4] = low >>> 24;
  heap[at + 5] = low >>> 16;
  heap[at + 6] = low >>> 8;
  heap[at + 7] = low;
}

/** Makes sure that a text of `bytes` fits. */
function room(bytes: number): boolean {
  const needed = bytes + macBytes;
  if (needed <= boxCapacity) return true;
  const larger = sodium._malloc(needed);
  if (larger === 0) return false;
  sodium._free(boxAt);
  boxAt = larger;
  boxCapacity = needed;
  return true;
}

/** After a very large frame: its memory goes back to the library's heap (which itself never shrinks). */
function shrink(): void {
  if (boxCapacity <= limits.sodiumHeapKeptBytes) return;
  sodium._free(boxAt);
  boxAt = sodium._malloc(limits.sodiumHeapKeptBytes);
  boxCapacity = limits.sodiumHeapKeptBytes;
}

function copyOut(at: number): Buffer {
  return Buffer.from(sodium.HEAPU8.subarray(at, at + keyBytes));
}
