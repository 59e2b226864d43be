// Messages on a bare TCP connection, each behind four bytes of length: the least that any protocol has to do, and so the limit
// that the others are held against. Written as fast as we know how: frames within a chunk are views of it, one write a tick.
import type { Socket } from "node:net";

const headerBytes = 4;
/** Bodies up to this size are copied together, larger ones written from where they lie. */
const copyBytesMax = 8_192;
const bufferBytes = 65_536;

export class FramedWriter {
  readonly #socket: Socket;
  #buffer: Buffer = Buffer.allocUnsafeSlow(bufferBytes);
  #end = 0;
  #start = 0;
  #scheduled = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** @returns whether the kernel keeps up; if not, wait for the socket's `drain`. */
  send(body: Uint8Array): boolean {
    const copied = body.length <= copyBytesMax;
    const needed = headerBytes + (copied ? body.length : 0);
    if (this.#end + needed > bufferBytes) this.#renew();
    if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(this.#onTick);
      this.#socket.cork();
    }
    this.#end = this.#buffer.writeUInt32BE(body.length, this.#end);
    if (copied) {
      this.#buffer.set(body, this.#end);
      this.#end += body.length;
    } else {
      this.#emit();
      this.#socket.write(body);
    }
    return this.#socket.writableLength + this.#end - this.#start < this.#socket.writableHighWaterMark;
  }

  /** Writes now what waits for the tick's end. */
  flush(): void {
    if (this.#scheduled) this.#onTick();
  }

  readonly #onTick = (): void => {
    if (!this.#scheduled) return;
    this.#scheduled = false;
    this.#emit();
    this.#socket.uncork();
    // All with the kernel: the buffer is free again.
    if (this.#socket.writableLength === 0) this.#start = this.#end = 0;
    else this.#renew();
  };

  #emit(): void {
    if (this.#end === this.#start) return;
    this.#socket.write(this.#buffer.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #renew(): void {
    if (this.#scheduled) this.#emit();
    this.#buffer = Buffer.allocUnsafeSlow(bufferBytes);
    this.#start = this.#end = 0;
  }
}

/** Calls `onBatch` with the bodies that each chunk completes. */
export function readFrames(socket: Socket, onBatch: (bodies: Buffer[]) => void): void {
  /** A header that a chunk's end has cut. */
  const header = Buffer.alloc(headerBytes);
  let headerFilled = 0;
  /** A body that a chunk's end has cut. */
  let body: Buffer | undefined;
  let bodyFilled = 0;

  socket.on("data", (chunk) => {
    const bodies: Buffer[] = [];
    let at = 0;
    while (at < chunk.length || (body !== undefined && bodyFilled === body.length)) {
      if (body === undefined) {
        let length: number;
        if (headerFilled === 0 && chunk.length - at >= headerBytes) {
          length = chunk.readUInt32BE(at);
          at += headerBytes;
        } else {
          const taken = chunk.copy(header, headerFilled, at, at + headerBytes - headerFilled);
          headerFilled += taken;
          at += taken;
          if (headerFilled < headerBytes) break;
          headerFilled = 0;
          length = header.readUInt32BE(0);
        }
        if (chunk.length - at >= length) {
          bodies.push(chunk.subarray(at, at + length));
          at += length;
          continue;
        }
        body = Buffer.allocUnsafeSlow(length);
        bodyFilled = 0;
      }
      const taken = chunk.copy(body, bodyFilled, at);
      bodyFilled += taken;
      at += taken;
      if (bodyFilled < body.length) break;
      bodies.push(body);
      body = undefined;
    }
    if (bodies.length > 0) onBatch(bodies);
  });
}
