// Bodies: how a value becomes a body frame and back. JSON for values, bytes as they are, nothing for undefined.
import { ServiceError } from "../errors.ts";
import { bodyBytesMax, bodyDepthMax } from "../limits.ts";
import { type ContentType, contentType } from "./codes.ts";
import { isDeeperThan } from "./depth.ts";

// Looked up once: on the global object it is an accessor, and importing `node:buffer` loads all that lies behind its exports.
const { Buffer } = globalThis;

export interface Content {
  readonly content: ContentType;
  readonly body: Uint8Array | undefined;
}

/**
 * How values become bytes, in place of JSON. Bodies that are bytes, or nothing, do without. It is the same on both sides: they compare
 * names, and each trusts the other's bytes only as far as `decode` does.
 */
export interface Codec {
  /** Tells it from others, its version included: `msgpack-1`. At most 64 of letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** Throws for what it cannot hold. */
  readonly encode: (value: unknown) => Uint8Array;
  /** Throws for what is none of its bytes, which are not to be kept: they are a view. */
  readonly decode: (bytes: Uint8Array) => unknown;
}

const nothing: Content = { content: contentType.none, body: undefined };

/**
 * A `Uint8Array` travels as it is, undefined as no body, everything else as JSON, or by the codec.
 * @throws ServiceError TOO_LARGE; TypeError for what JSON cannot hold (a cycle, a bigint, a function): a bug of the caller.
 *   What a value's own `toJSON` or getters throw comes through as it is.
 */
export function encodeContent(value: unknown, codec?: Codec): Content {
  return bytesOfText(encodeText(value, codec));
}

/** @throws ServiceError TOO_LARGE */
export function bytesOfText({ content, body }: TextContent): Content {
  return typeof body === "string" ? checked(content, Buffer.from(body)) : { content, body };
}

/** Content whose JSON is text still: the socket writes it as UTF-8 right to its place, and no buffer is made for it. */
export interface TextContent {
  readonly content: ContentType;
  readonly body: string | Uint8Array | undefined;
}

/** As `encodeContent`, for what is only sent. */
export function encodeText(value: unknown, codec?: Codec): TextContent {
  if (value === undefined) return nothing;
  if (value instanceof Uint8Array) return checked(contentType.bytes, value);
  if (codec !== undefined) return checked(contentType.coded, codec.encode(value));
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`body: expected a JSON value, bytes or undefined, got a ${typeof value}`);
  // A character takes three bytes at most: short texts need no counting.
  if (text.length * 3 > bodyBytesMax) checkSize(Buffer.byteLength(text));
  return { content: contentType.json, body: text };
}

function checked(content: ContentType, body: Uint8Array): Content {
  checkSize(body.length);
  return { content, body };
}

function checkSize(bytes: number): void {
  if (bytes > bodyBytesMax)
    throw new ServiceError("TOO_LARGE", `body: expected at most ${bodyBytesMax} bytes, got ${bytes}; send it in parts`);
}

/**
 * The value of a body. Bytes are a copy, safe to keep.
 * @throws ServiceError INVALID when it is not JSON, or none of the codec's; TOO_LARGE.
 */
export function decodeContent(content: ContentType, body: Uint8Array | undefined, codec?: Codec): unknown {
  if (body === undefined || content === contentType.none) return undefined;
  checked(content, body);
  if (content === contentType.bytes) return Buffer.from(body);
  if (content === contentType.coded) return decodeCoded(body, codec);
  try {
    return JSON.parse(asBuffer(body).toString(undefined, 0, body.length)) as unknown;
  } catch (cause) {
    throw new ServiceError("INVALID", `body: expected JSON, got ${body.length} bytes that are none`, { cause });
  }
}

/**
 * What a peer wants a service to work on: as `decodeContent`, and not so deep that the work would exhaust the stack.
 * @throws ServiceError INVALID, TOO_LARGE
 */
export function decodeArgument(content: ContentType, body: Uint8Array | undefined, codec?: Codec): unknown {
  if (content === contentType.json && body !== undefined && isDeeperThan(body, bodyDepthMax))
    throw new ServiceError("INVALID", `body: expected at most ${bodyDepthMax} levels of nesting, got more; flatten it`);
  return decodeContent(content, body, codec);
}

function decodeCoded(body: Uint8Array, codec: Codec | undefined): unknown {
  if (codec === undefined)
    throw new ServiceError("INVALID", "body: expected JSON or bytes, got one of a codec that is not used here");
  try {
    return codec.decode(body);
  } catch (cause) {
    throw new ServiceError(
      "INVALID",
      `body: expected one of codec ${codec.name}, got ${body.length} bytes that are none`,
      { cause },
    );
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
