// Command frames (RFC 23 §Commands, RFC 37 §Heartbeating): READY, ERROR, PING, PONG. Encodes and parses; holds no state.
import { limits } from "../limits.ts";
import { flagCommand, longHeaderBytes, readUint32, writeFrameHeader, writeUint32 } from "./frame.ts";
import { type Problem, quoted } from "./problem.ts";

export interface Command {
  readonly name: string;
  readonly data: Buffer;
}

/** Property names are compared without case (RFC 23 §Metadata), so they are kept as they came. */
export type Metadata = ReadonlyMap<string, Buffer>;

export function isProblem(value: object): value is Problem {
  return "reason" in value;
}

/** A whole command frame. */
export function encodeCommand(name: string, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const bodyBytes = 1 + name.length + data.length;
  const frame = Buffer.allocUnsafe(longHeaderBytes + bodyBytes);
  let at = writeFrameHeader(frame, 0, flagCommand, bodyBytes);
  frame[at++] = name.length;
  at += frame.write(name, at, "latin1");
  frame.set(data, at);
  return frame.subarray(0, at + data.length);
}

export function parseCommand(body: Buffer): Command | Problem {
  const nameBytes = body[0];
  // PLAIN's ERROR of libzmq 4.3: a slip in a C string made its first two bytes, 05 "E", one: 5E.
  if (nameBytes === 0x5e && body.toString("latin1", 0, 5) === "^RROR") return { name: "ERROR", data: body.subarray(5) };
  if (nameBytes === undefined || nameBytes === 0 || 1 + nameBytes > body.length)
    return { reason: "protocol-error", detail: "a command without a proper name" };
  return { name: body.toString("latin1", 1, 1 + nameBytes), data: body.subarray(1 + nameBytes) };
}

export function encodeReady(metadata: Metadata): Buffer {
  return encodeCommand("READY", encodeMetadata(metadata));
}

/** As in READY and INITIATE. */
export function encodeMetadata(metadata: Metadata): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of metadata) {
    const head = Buffer.alloc(1 + name.length + 4);
    head[0] = name.length;
    head.write(name, 1, "latin1");
    writeUint32(head, 1 + name.length, value.length);
    parts.push(head, value);
  }
  return Buffer.concat(parts);
}

/** The properties of a READY command's data (RFC 23 §Metadata). */
export function parseMetadata(data: Buffer): Metadata | Problem {
  const metadata = new Map<string, Buffer>();
  for (let at = 0; at < data.length; ) {
    const nameBytes = data[at] ?? 0;
    const valueAt = at + 1 + nameBytes + 4;
    if (nameBytes === 0 || valueAt > data.length) return malformed;
    const end = valueAt + readUint32(data, valueAt - 4);
    if (end > data.length) return malformed;
    metadata.set(data.toString("latin1", at + 1, at + 1 + nameBytes), data.subarray(valueAt, end));
    at = end;
  }
  return metadata;
}

const malformed: Problem = { reason: "protocol-error", detail: "malformed metadata" };

/** The value of a property, its name compared without case. */
export function property(metadata: Metadata, name: string): Buffer | undefined {
  const exact = metadata.get(name);
  if (exact !== undefined) return exact;
  const wanted = name.toLowerCase();
  for (const [key, value] of metadata) if (key.toLowerCase() === wanted) return value;
  return undefined;
}

/** @param reason at most 255 bytes, ASCII. */
export function encodeError(reason: string): Buffer {
  const text = reason.slice(0, 255);
  const data = Buffer.alloc(1 + text.length);
  data[0] = text.length;
  data.write(text, 1, "latin1");
  return encodeCommand("ERROR", data);
}

/** What an ERROR command says, for a log. */
export function parseError(data: Buffer): string {
  return quoted(data.subarray(1, 1 + (data[0] ?? 0)));
}

/** @param ttlMs how long the other side may hear nothing before it drops us; sent in tenths of a second. */
export function encodePing(ttlMs: number): Buffer {
  const deciseconds = Math.min(0xffff, Math.max(1, Math.round(ttlMs / 100)));
  return encodeCommand("PING", Uint8Array.of(deciseconds >>> 8, deciseconds & 0xff));
}

export function parsePing(data: Buffer): { readonly ttlMs: number; readonly context: Buffer } | Problem {
  if (data.length < 2) return { reason: "protocol-error", detail: "PING without a time to live" };
  const context = data.subarray(2);
  if (context.length > limits.pingContextBytesMax)
    return {
      reason: "protocol-error",
      detail: `PING with a context of ${context.length} bytes, at most 16 are allowed`,
    };
  return { ttlMs: (((data[0] ?? 0) << 8) | (data[1] ?? 0)) * 100, context };
}
