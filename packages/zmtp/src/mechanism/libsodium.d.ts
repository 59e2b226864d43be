// The part of libsodium.js (the raw library, C functions over a WebAssembly heap) that `sodium.ts` uses. Lengths are 64-bit
// in C, and so two arguments here: low word, high word.
declare module "libsodium" {
  export interface Libsodium {
    /** Replaced when the heap grows. */
    readonly HEAPU8: Uint8Array;
    /** 0: no memory. */
    _malloc(bytes: number): number;
    _free(at: number): void;
    _sodium_init(): number;
    _crypto_box_keypair(publicKey: number, secretKey: number): number;
    _crypto_scalarmult_base(publicKey: number, secretKey: number): number;
    _crypto_box_beforenm(sharedKey: number, publicKey: number, secretKey: number): number;
    _crypto_box_detached_afternm(
      sealed: number,
      mac: number,
      plain: number,
      bytes: number,
      bytesHigh: number,
      nonce: number,
      sharedKey: number,
    ): number;
    _crypto_box_open_detached_afternm(
      plain: number,
      sealed: number,
      mac: number,
      bytes: number,
      bytesHigh: number,
      nonce: number,
      sharedKey: number,
    ): number;
  }
  const load: (options: { getRandomValue: () => number }) => Promise<Libsodium>;
  export default load;
}
