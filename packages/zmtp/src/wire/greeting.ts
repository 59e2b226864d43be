// The 64 bytes with which both sides open a connection (RFC 23 §Greeting), and the signs of older protocols.
import type { Problem } from "./problem.ts";

export const greetingBytes = 64;

const signatureBytes = 10;
const mechanismAt = 12;
const mechanismBytes = 20;
const asServerAt = 32;

export interface Greeting {
  readonly major: number;
  readonly minor: number;
  readonly mechanism: string;
  readonly asServer: boolean;
}

export function encodeGreeting(mechanism: string, asServer: boolean): Buffer {
  const greeting = Buffer.alloc(greetingBytes);
  greeting[0] = 0xff;
  // The padding is free. ZMTP 1.0 and 2.0 peers read it as the length of an identity, plus one: this says "none".
  greeting[8] = 1;
  greeting[9] = 0x7f;
  greeting[10] = 3;
  greeting[11] = 1;
  greeting.write(mechanism, mechanismAt, mechanismBytes, "latin1");
  greeting[asServerAt] = asServer ? 1 : 0;
  return greeting;
}

const notZmtp3 =
  "not a ZMTP 3 greeting (a foreign peer, or ZMTP 1.0, as libzmq before 3.0 speaks; 4.0 is the oldest served)";

/** What is wrong with the greeting as far as it came, if anything: an old or foreign peer is told by its first bytes. */
export function checkGreeting(bytes: Uint8Array): Problem | undefined {
  if (bytes.length === 0) return undefined;
  const [first] = bytes;
  if (first !== 0xff) return { reason: "protocol-error", detail: `${notZmtp3}: first byte not FF` };
  if (bytes.length < signatureBytes) return undefined;
  if (bytes[9] !== 0x7f) return { reason: "protocol-error", detail: `${notZmtp3}: tenth byte not 7F` };
  const major = bytes[10];
  if (major !== undefined && major < 3)
    return {
      reason: "protocol-error",
      detail: `the peer speaks ZMTP ${major < 2 ? "2.0" : major}; 3.0 is the oldest served, which is libzmq 4.0`,
    };
  return undefined;
}

/** @param bytes all 64 of them, checked. */
export function parseGreeting(bytes: Buffer): Greeting {
  const mechanism = bytes.toString("latin1", mechanismAt, mechanismAt + mechanismBytes);
  const end = mechanism.indexOf("\0");
  return {
    major: bytes[10] ?? 0,
    minor: bytes[11] ?? 0,
    mechanism: end < 0 ? mechanism : mechanism.slice(0, end),
    asServer: bytes[asServerAt] === 1,
  };
}
