// The frame layout of ZMTP 3.x (RFC 23 §Framing): flags, a length of one or eight bytes, the body.

export const flagMore = 0x01;
export const flagLong = 0x02;
export const flagCommand = 0x04;
/** Bits 7 to 3 must be zero. */
export const flagsReserved = 0xf8;

export const shortHeaderBytes = 2;
export const longHeaderBytes = 9;
/** A body up to this many bytes has a one-byte length. */
export const shortBodyBytesMax = 255;

/** Writes a frame's header at `at`; returns where the body goes. `target` has `longHeaderBytes` of room. */
export function writeFrameHeader(target: Uint8Array, at: number, flags: number, bodyBytes: number): number {
  if (bodyBytes <= shortBodyBytesMax) {
    target[at] = flags;
    target[at + 1] = bodyBytes;
    return at + shortHeaderBytes;
  }
  target[at] = flags | flagLong;
  writeUint32(target, at + 1, Math.floor(bodyBytes / 2 ** 32));
  writeUint32(target, at + 5, bodyBytes >>> 0);
  return at + longHeaderBytes;
}

/** An eight-byte length. Above 2^53 it is not exact, which is no matter: every limit lies far below. */
export function readLength(source: Uint8Array, at: number): number {
  return readUint32(source, at) * 2 ** 32 + readUint32(source, at + 4);
}

export function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

/** Bytes beyond the end count as zero. */
export function readUint32(source: Uint8Array, at: number): number {
  return (
    (((source[at] ?? 0) << 24) |
      ((source[at + 1] ?? 0) << 16) |
      ((source[at + 2] ?? 0) << 8) |
      (source[at + 3] ?? 0)) >>>
    0
  );
}
