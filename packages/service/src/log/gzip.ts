// Compresses a batch, beside the event loop.
import { promisify } from "node:util";

type Gzip = (bytes: Uint8Array) => Promise<Buffer>;
let gzip: Gzip | undefined;

export function gzipped(bytes: Uint8Array): Promise<Buffer> {
  // Not imported: only who compresses pays for it.
  gzip ??= promisify(process.getBuiltinModule("node:zlib").gzip) as Gzip;
  return gzip(bytes);
}
