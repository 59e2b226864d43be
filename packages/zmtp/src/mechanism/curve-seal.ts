// MESSAGE (RFC 26): what follows a CURVE handshake. Each frame, and each command after the handshake, is a box of its own
// with a nonce that grows, so that nothing can be changed, repeated, left out unnoticed within a message, or reordered.
import { messageInvalid } from "../errors.ts";
import { limits } from "../limits.ts";
import { flagCommand, flagMore, readUint32, writeUint32 } from "../wire/frame.ts";
import type { Problem } from "../wire/problem.ts";
import { protocolError } from "./common.ts";
import type { FrameSeal } from "./mechanism.ts";
import { macBytes, noncePrefixBytes, openFrame, sealFrame } from "./sodium.ts";

const name: Buffer = Buffer.from("\x07MESSAGE", "latin1");
const nonceAt: number = name.length;
const boxAt: number = nonceAt + 8;
const flagsBytes = 1;
/** In the box: libzmq's bit for a command (PING, SUBSCRIBE); RFC 26 knows MORE only. */
const boxedMore = 1;
const boxedCommand = 2;

/** Who says it, in the nonce of MESSAGE. */
const fromClient: Buffer = Buffer.from("CurveZMQMESSAGEC", "latin1");
const fromServer: Buffer = Buffer.from("CurveZMQMESSAGES", "latin1");

export class CurveSeal implements FrameSeal {
  readonly overheadBytes: number = boxAt + macBytes + flagsBytes;
  openedFlags = 0;
  readonly #key: Uint8Array;
  readonly #sends: Uint8Array;
  readonly #receives: Uint8Array;
  #counter: number;
  #peerHigh: number;
  #peerLow: number;

  /**
   * @param sent the last nonce that this side has used in the handshake.
   * @param received the last that the peer has: eight bytes.
   */
  constructor(key: Uint8Array, role: "client" | "server", sent: number, received: Uint8Array) {
    this.#key = key;
    this.#sends = role === "client" ? fromClient : fromServer;
    this.#receives = role === "client" ? fromServer : fromClient;
    this.#counter = sent;
    this.#peerHigh = readUint32(received, 0);
    this.#peerLow = readUint32(received, 4);
  }

  seal(flags: number, body: Uint8Array, target: Buffer, at: number): void {
    const counter = ++this.#counter;
    target.set(name, at);
    writeUint32(target, at + nonceAt, Math.floor(counter / 2 ** 32));
    writeUint32(target, at + nonceAt + 4, counter >>> 0);
    const boxed = ((flags & flagMore) === 0 ? 0 : boxedMore) | ((flags & flagCommand) === 0 ? 0 : boxedCommand);
    if (!sealFrame(this.#key, this.#sends, counter, boxed, body, target, at + boxAt))
      throw messageInvalid(`there is no memory to encrypt a frame of ${body.length} bytes`);
  }

  open(sealed: Buffer): Buffer | Problem {
    if (sealed.length < this.overheadBytes || !isMessage(sealed))
      return protocolError("something else than a MESSAGE command after the CURVE handshake");
    const high = readUint32(sealed, nonceAt);
    const low = readUint32(sealed, nonceAt + 4);
    if (high < this.#peerHigh || (high === this.#peerHigh && low <= this.#peerLow))
      return protocolError("a MESSAGE that was there before, or out of order: its nonce did not grow");
    if (!openFrame(this.#key, this.#receives, high, low, sealed, boxAt))
      return protocolError("a MESSAGE that cannot be opened: it was not sealed by the peer, or changed on its way");
    this.#peerHigh = high;
    this.#peerLow = low;
    const boxed = sealed[boxAt + macBytes] ?? 0;
    const body = sealed.subarray(this.overheadBytes);
    if ((boxed & boxedCommand) === 0) {
      this.openedFlags = (boxed & boxedMore) === 0 ? 0 : flagMore;
      return body;
    }
    if (body.length > limits.commandBytesMax)
      return {
        reason: "frame-too-large",
        detail: `a command of ${body.length} bytes, at most ${limits.commandBytesMax} are taken`,
      };
    this.openedFlags = flagCommand;
    return body;
  }
}

function isMessage(sealed: Buffer): boolean {
  for (let at = 0; at < name.length; at++) if (sealed[at] !== name[at]) return false;
  return true;
}

/** A nonce of the handshake: what it is for, and eight bytes of counter or sixteen random ones. */
export function nonce(purpose: string, rest: Uint8Array): Buffer {
  const bytes = Buffer.alloc(noncePrefixBytes + 8);
  bytes.write(purpose, 0, "latin1");
  bytes.set(rest, purpose.length);
  return bytes;
}

export function counterBytes(counter: number): Buffer {
  const bytes = Buffer.alloc(8);
  writeUint32(bytes, 4, counter);
  return bytes;
}
