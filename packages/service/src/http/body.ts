// Reads an HTTP request's body, within the limits. Holds no more of it in memory than may be there, for all requests together.
import type { IncomingMessage } from "node:http";
import { type RequestFate, ServiceError } from "../errors.ts";
import { bodyBytesMax } from "../limits.ts";
import { contentType } from "../protocol/codes.ts";
import type { ContentType } from "../protocol/codes.ts";
import type { BodyShare } from "../server/body-budget.ts";

/** Does the request say that a body follows? */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/**
 * What the body is, by its headers. Only types that a web page can't send to another origin unasked are taken: a browser asks
 * first (CORS), and is told no.
 * @throws ServiceError INVALID, status 415; TOO_LARGE, status 413
 */
export function contentOf(request: IncomingMessage): ContentType {
  if (!hasBody(request)) return contentType.none;
  if (Number(request.headers["content-length"] ?? 0) > bodyBytesMax) throw tooLarge();
  const { media, given, charset } = mediaOf(request);
  if (media === "application/octet-stream") return contentType.bytes;
  const json = media === "application/json" || /^application\/[a-z0-9!#$&^_.-]+\+json$/.test(media);
  if (!json) throw unsupported("content-type", "application/json or application/octet-stream", given);
  checkCharset(charset);
  return contentType.json;
}

const lineMedia: readonly string[] = ["application/x-ndjson", "application/ndjson", "application/jsonl"];

/** The body of a stream that takes items: one a line, or none. @throws ServiceError INVALID, status 415 */
export function checkLines(request: IncomingMessage): void {
  if (!hasBody(request)) return;
  const { media, given, charset } = mediaOf(request);
  if (!lineMedia.includes(media)) throw unsupported("content-type", "application/x-ndjson", given);
  checkCharset(charset);
}

function mediaOf({ headers }: IncomingMessage): { media: string; given: string; charset: string | undefined } {
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") throw unsupported("content-encoding", "none", encoding);
  const given = headers["content-type"] ?? "";
  const [media = "", ...parameters] = given.split(";").map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice("charset=".length);
  return { media, given, charset };
}

function checkCharset(charset: string | undefined): void {
  if (charset !== undefined && !/^"?utf-?8"?$/.test(charset)) throw unsupported("charset", "utf-8", charset);
}

/**
 * The whole body. Rejects when the client leaves before its end.
 * @throws ServiceError TOO_LARGE, status 413; BUSY when too much of others is held
 */
export function readBody(request: IncomingMessage, share: BodyShare): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  const stop = (): void => {
    request.off("data", onData).off("end", onEnd).off("close", onClose);
    // What still comes of it is thrown away, so that the connection can go on.
    request.resume();
  };
  const onData = (chunk: Buffer): void => {
    const room = share.take(chunk.length);
    if (room) length += chunk.length;
    if (room && length <= bodyBytesMax) chunks.push(chunk);
    else {
      stop();
      reject(room ? tooLarge() : tooMany());
    }
  };
  const onEnd = (): void => {
    stop();
    resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, length));
  };
  const onClose = (): void => {
    stop();
    reject(new ServiceError("CANCELLED", "the caller's connection closed", { fate: "not-started" }));
  };
  request.on("data", onData).on("end", onEnd).on("close", onClose);
  return promise;
}

function unsupported(what: string, expected: string, got: string): ServiceError {
  const message = `${what}: expected ${expected}, got ${got === "" ? "none" : JSON.stringify(got)}`;
  return new ServiceError("INVALID", message, { status: 415, fate: "not-started" });
}

function tooLarge(): ServiceError {
  const message = `body: expected at most ${bodyBytesMax} bytes, got more; send it in parts`;
  return new ServiceError("TOO_LARGE", message, { status: 413, fate: "not-started" });
}

/** @param fate of the request that gets no more room */
export function tooMany(fate: RequestFate = "not-started"): ServiceError {
  const message = `too much is held of the bodies of all requests together; try again later`;
  return new ServiceError("BUSY", message, { fate, retryable: true });
}
