// Encodes and decodes the header frame of the request protocol (docs/reference/protocol.md). Pure: no socket, no state.
// A header is 16 fixed bytes and a few short texts; the body is a frame of its own and is never copied here.
import { textBytesMax } from "../limits.ts";
import {
  type ContentType,
  contentType,
  lastPlace,
  type MessageType,
  magic,
  messageType,
  protocolVersion,
} from "./codes.ts";

// Looked up once: on the global object it is an accessor, and importing `node:buffer` loads all that lies behind its exports.
const { Buffer } = globalThis;

const fixedBytes = 16;

/** A message of the protocol. Which fields mean what, by type, is the table in docs/reference/protocol.md. */
export interface Header {
  readonly type: MessageType;
  readonly content: ContentType;
  /** REQUEST, OPEN: attempt, from 1. ERROR: fate. PONG: state. GRANT: items. Else 0. */
  readonly mark: number;
  /** Of the request, stream, subscription or ping, chosen by its sender; 0 where there is none. */
  readonly id: number;
  /**
   * REQUEST, OPEN: deadline. ERROR: retry after. GOAWAY: time left (all milliseconds). WELCOME, CREDIT: credit. GRANT: bytes.
   * ITEM, EVENT: its place. POSITION: that of the last event.
   */
  readonly number: number;
  /**
   * REQUEST, OPEN: method, key, trace parent. ERROR: code. WELCOME, PONG: service, instance. HELLO: client's name. SUBSCRIBE,
   * UNSUBSCRIBE, POSITION, EVENT: topic.
   */
  readonly texts: readonly string[];
}

export interface Decoded {
  readonly header: Header;
  readonly body: Uint8Array | undefined;
}

/** How many texts each type carries, by its number; some may have one more. */
const textCount: readonly number[] = [0, 1, 2, 3, 0, 1, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 1, 1, 1, 1];
const mayHaveMoreTexts: readonly boolean[] = flagged(messageType.hello, messageType.request, messageType.open);
/** Which types may have a body. */
const mayHaveBody: readonly boolean[] = flagged(
  ...[messageType.welcome, messageType.request, messageType.reply, messageType.error],
  ...[messageType.open, messageType.item, messageType.event],
);

/** A table by type: looked into for every message, it is faster than a set. */
function flagged(...types: readonly MessageType[]): readonly boolean[] {
  return textCount.map((_, type) => types.includes(type as MessageType));
}

/** True when a first frame claims to be of this protocol, whatever follows. */
export function isProtocolFrame(frame: Uint8Array): boolean {
  return frame[0] === magic[0] && frame[1] === magic[1] && frame[2] === magic[2] && frame[3] === magic[3];
}

/**
 * The message's frames, ready to send. A body may be text, which the socket encodes.
 * @throws RangeError when a text is longer than its length byte can say: callers check what comes from users.
 */
export function encode<Body extends string | Uint8Array = never>(
  type: MessageType,
  fields: {
    readonly mark?: number;
    readonly id?: number;
    readonly number?: number;
    readonly texts?: readonly string[];
    readonly content?: ContentType;
  },
  body?: Body,
): (Buffer | Body)[] {
  const { mark = 0, id = 0, number = 0, texts = noTexts, content = contentType.bytes } = fields;
  const passed = passingHeader(type, mark, id, number, texts, body === undefined ? contentType.none : content);
  const header = Buffer.from(passed);
  return body === undefined ? [header] : [header, body];
}

const textsMax = 4;
const headerBytesMax = fixedBytes + textsMax * (1 + textBytesMax);
const passing = Buffer.allocUnsafeSlow(headerBytesMax);
/** Its first bytes, by their number. */
const passingViews: Buffer[] = [];
passing.set([...magic, protocolVersion]);

/**
 * The header alone, for what is sent most often, requests and replies; of a message without a body, the content is `none`. Where it
 * lies, the next one will: a socket copies what is as short before `send` returns.
 */
export function passingHeader(
  type: MessageType,
  mark: number,
  id: number,
  number: number,
  texts: readonly string[],
  content: ContentType,
): Buffer {
  passing[5] = type;
  passing[6] = content;
  passing[7] = mark;
  writeUint32(passing, id, 8);
  writeUint32(passing, number, 12);
  let end = fixedBytes;
  for (const text of texts) end = writeText(text, end);
  return (passingViews[end] ??= passing.subarray(0, end));
}

/**
 * A time or a count, as far as `number` can say it: whole, nothing below 0, and no more than 2³² − 1, which as milliseconds is 49 days. What
 * is no number is 0.
 */
export function uint32Of(value: number): number {
  return value > 0 ? Math.min(0xffffffff, Math.ceil(value)) : 0;
}

/** The place of the item that is the `count`th: after 2³² − 1 comes 1. */
export function wirePlace(count: number): number {
  return ((count - 1) % lastPlace) + 1;
}

// Node's own check their arguments each time.
function writeUint32(frame: Buffer, value: number, at: number): void {
  frame[at] = value >>> 24;
  frame[at + 1] = value >>> 16;
  frame[at + 2] = value >>> 8;
  frame[at + 3] = value;
}

/** Up to here a loop over the characters is faster than a call into Node. */
const shortTextMax = 32;

/** Its length, and itself. @returns where it ends. */
function writeText(text: string, at: number): number {
  let bytes = text.length <= shortTextMax ? writeShort(text, at + 1) : -1;
  // Of one that is far too long, as much is written as there is room for, which is too much still.
  if (bytes < 0) bytes = passing.write(text, at + 1);
  if (bytes > textBytesMax) {
    const got = Buffer.byteLength(text);
    throw new RangeError(`header text: expected at most ${textBytesMax} bytes, got ${got}`);
  }
  passing[at] = bytes;
  return at + 1 + bytes;
}

/** @returns its bytes; -1 when it is not ASCII: what is written then means nothing. */
function writeShort(text: string, at: number): number {
  const { length } = text;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return -1;
    passing[at + index] = code;
  }
  return length;
}

function readUint32(frame: Buffer, at: number): number {
  return (
    (((frame[at] ?? 0) << 24) | ((frame[at + 1] ?? 0) << 16) | ((frame[at + 2] ?? 0) << 8) | (frame[at + 3] ?? 0)) >>> 0
  );
}

export const noTexts: readonly string[] = [];

/** Why a message is not of this protocol's version 1: `version` is a peer to tell so, `malformed` one to drop. */
export type Malformed = "malformed" | "version";

/** Reads `[header]` or `[header, body]` from `frames[from]` on. Never throws, whatever the bytes. */
export function decode(frames: readonly Uint8Array[], from = 0): Decoded | Malformed {
  const frame = frames[from];
  if (frame === undefined || frame.length < fixedBytes || !isProtocolFrame(frame)) return "malformed";
  if (frame[4] !== protocolVersion) return "version";
  const type = frame[5] as MessageType;
  const count = textCount[type];
  if (count === undefined || type < messageType.hello) return "malformed";
  const content = frame[6] as ContentType;
  const body = frames[from + 1];
  if (content > contentType.coded || (content === contentType.none) !== (body === undefined)) return "malformed";
  if (frames.length > from + 2 || (body !== undefined && mayHaveBody[type] !== true)) return "malformed";
  const view = Buffer.isBuffer(frame) ? frame : Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const texts = readTexts(view, count, mayHaveMoreTexts[type] === true);
  if (texts === undefined) return "malformed";
  const header = { type, content, mark: view[7] ?? 0, id: readUint32(view, 8), number: readUint32(view, 12), texts };
  return { header, body };
}

/** Exactly `count` texts up to the end of the frame, or one more, or undefined. */
function readTexts(frame: Buffer, least: number, orMore: boolean): readonly string[] | undefined {
  if (least === 0) return frame.length === fixedBytes ? noTexts : undefined;
  const texts = new Array<string>(least);
  let at = fixedBytes;
  for (let index = 0; index < least || (orMore && index === least && at < frame.length); index++) {
    const length = frame[at];
    if (length === undefined || at + 1 + length > frame.length) return undefined;
    texts[index] = length === 0 ? "" : index === 0 ? firstText(frame, at + 1, length) : textAt(frame, at + 1, length);
    at += 1 + length;
  }
  return at === frame.length ? texts : undefined;
}

function textAt(frame: Buffer, from: number, length: number): string {
  return frame.toString(undefined, from, from + length);
}

/** The last first text, mostly a method: of those, a service has few, and its callers call one again and again. */
let lastFirst = "";
let lastFirstIsAscii = false;

function firstText(frame: Buffer, from: number, length: number): string {
  if (lastFirstIsAscii && lastFirst.length === length) {
    let index = 0;
    while (index < length && frame[from + index] === lastFirst.charCodeAt(index)) index++;
    if (index === length) return lastFirst;
  }
  lastFirst = textAt(frame, from, length);
  // Who has as many characters as bytes is ASCII, or holds replaced bytes: no byte is equal to those, so that it is never taken for another.
  lastFirstIsAscii = lastFirst.length === length;
  return lastFirst;
}
