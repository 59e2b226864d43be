// Reads small text files: configuration and secrets. The only place here that touches a disk.
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** @throws Error that says why not: not there, not a file, too large. */
export function readTextFile(path: string, bytesMax: number): string {
  // A pipe would be waited for until somebody writes to it, without a word and deaf to signals.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = fstatSync(file);
    if (!status.isFile()) throw new Error("it is not a file");
    if (status.size > bytesMax) throw new Error(`expected at most ${bytesMax} bytes, got ${status.size}`);
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}
