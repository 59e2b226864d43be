// A message encoded once for many peers (PUB, XPUB, XSUB). Small frames are joined into one piece, large bodies are referred to
// where they lie. Made lazily: with one subscriber, or none, nothing is encoded here.
import { limits } from "../limits.ts";
import { flagMore, longHeaderBytes, writeFrameHeader } from "./frame.ts";

export class EncodedMessage {
  /** For whoever cannot use the encoded form: `inproc`, and a mechanism that seals each peer's frames. */
  readonly frames: readonly (string | Uint8Array)[];
  #parts: readonly Uint8Array[] | undefined;

  constructor(frames: readonly (string | Uint8Array)[]) {
    this.frames = frames;
  }

  /** The bytes of the stream, in order: each a large body by itself, or pieces of up to `limits.copyBytesMax` and a header. */
  get parts(): readonly Uint8Array[] {
    this.#parts ??= encode(this.frames);
    return this.#parts;
  }
}

function encode(frames: readonly (string | Uint8Array)[]): Uint8Array[] {
  const bodies = frames.map((frame) => (typeof frame === "string" ? Buffer.from(frame) : frame));
  const parts: Uint8Array[] = [];
  let piece = newPiece(bodies, 0);
  let end = 0;
  const seal = (): void => {
    if (end > 0) parts.push(piece.subarray(0, end));
  };
  for (const [index, body] of bodies.entries()) {
    const copied = body.length <= limits.copyBytesMax;
    if (end + longHeaderBytes + (copied ? body.length : 0) > piece.length) {
      seal();
      piece = newPiece(bodies, index);
      end = 0;
    }
    end = writeFrameHeader(piece, end, index === bodies.length - 1 ? 0 : flagMore, body.length);
    if (copied) {
      piece.set(body, end);
      end += body.length;
    } else {
      seal();
      parts.push(body);
      piece = piece.subarray(end);
      end = 0;
    }
  }
  seal();
  return parts;
}

/** Room for the frames from `from` on, as far as they are copied, but for more than one no more than a writer copies. */
function newPiece(bodies: readonly Uint8Array[], from: number): Buffer {
  let bytes = 0;
  for (let index = from; index < bodies.length; index++) {
    const size = bodies[index]?.length ?? 0;
    const more = longHeaderBytes + (size <= limits.copyBytesMax ? size : 0);
    if (bytes > 0 && bytes + more > limits.copyBytesMax) break;
    bytes += more;
  }
  return Buffer.allocUnsafe(bytes);
}
