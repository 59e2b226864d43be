// A file with keys, one a line, looked at again whenever somebody connects: keys are added and taken away without a restart, also when
// the file is a mounted Secret, which is replaced as a whole. A file that cannot be read, or used, leaves the keys as they were.
import { statSync } from "node:fs";
import { asError, type Logger, WherryError } from "@wherry/core";
import { readTextFile } from "../config/read-file.ts";
import { secretFileBytesMax } from "../limits.ts";
import { keyPattern } from "./types.ts";

export class KeyFile {
  readonly #path: string;
  readonly #log: Logger;
  #keys: readonly string[];
  #seen: string;
  #failure = "";

  /** @throws WherryError SERVICE_CURVE_INVALID; no key is in its message. */
  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
    try {
      this.#seen = stampOf(path);
    } catch (cause) {
      throw curveInvalid(`${path}: ${asError(cause).message}`, cause);
    }
    this.#keys = readCurveKeys(path);
  }

  /** The keys, as the file is now. */
  get keys(): readonly string[] {
    try {
      const seen = stampOf(this.#path);
      if (seen !== this.#seen) {
        this.#keys = keysIn(readTextFile(this.#path, secretFileBytesMax));
        this.#seen = seen;
        this.#log.info({ file: this.#path, keys: this.#keys.length }, "keys were changed");
      }
      this.#failure = "";
    } catch (error) {
      const { message } = asError(error);
      // Once for each reason: whoever connects would fill the log.
      if (message !== this.#failure)
        this.#log.warn(
          { file: this.#path, problem: message },
          "the file of keys cannot be used; the keys stay as they were",
        );
      this.#failure = message;
    }
    return this.#keys;
  }
}

/**
 * The keys of a file: one a line, 40 characters of Z85; `#` begins a comment.
 * @throws WherryError SERVICE_CURVE_INVALID; no key is in its message.
 * @example connect(shop, { curve: { serverKey, secretKey: readCurveKeys("alice.secret")[0] } })
 */
export function readCurveKeys(path: string): readonly string[] {
  try {
    return keysIn(readTextFile(path, secretFileBytesMax));
  } catch (cause) {
    throw curveInvalid(`${path}: ${asError(cause).message}`, cause);
  }
}

export function curveInvalid(problem: string, cause?: unknown): WherryError {
  return new WherryError(`curve: ${problem}`, { code: "SERVICE_CURVE_INVALID", cause });
}

/** Changes with the file: a mounted Secret is another file each time. */
function stampOf(path: string): string {
  const { ino, mtimeMs, size } = statSync(path);
  return `${ino} ${mtimeMs} ${size}`;
}

function keysIn(text: string): readonly string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  // A key may begin with `#`: only a line that is no key is a comment.
  const keys = lines.filter((line) => line !== "" && (keyPattern.test(line) || !line.startsWith("#")));
  for (const [index, key] of keys.entries())
    if (!keyPattern.test(key))
      throw new Error(`key ${index + 1}: expected 40 characters of Z85, got ${key.length} others`);
  if (keys.length === 0) throw new Error("expected at least one key, got none");
  return keys;
}
