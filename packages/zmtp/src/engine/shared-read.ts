// Lets a socket read into buffers of ours, instead of 64 KiB allocated for each read: one buffer that all sockets share, or wherever the
// sink says that the next bytes belong. Node offers that by the `onread` option, but only to whoever connects; for accepted sockets
// the same switches are set from here. They are Node's own business: where one is not found as expected, or in a Node that this was
// not tried with, the answer is no, and the caller reads as usual.
import { Socket as NetSocket } from "node:net";
import { limits } from "../limits.ts";

/** Who takes what a socket reads. */
export interface Sink {
  /** Bytes in the shared buffer: the sink's only until it returns. */
  take(bytes: Buffer): void;
  /** So many bytes were read into the place that `next` gave last. */
  placed(bytes: number): void;
  /** After each read: a place for the next one; or how much to read into the shared buffer. Changes nothing, never throws. */
  next(): Buffer | number;
}

interface Internals {
  [key: symbol]: unknown;
  readonly _handle?: { useUserBuffer?: (buffer: Uint8Array) => void } | null;
}

/** The newest major version of Node whose sources were looked at for this. */
const nodeMajorMax = 24;

const shared: Buffer = Buffer.allocUnsafeSlow(limits.readBufferBytes);
const switches = findSwitches();

/** @returns false: not on this platform; nothing has changed, listen to `data`. Else `data` never comes, all other events do. */
export function readShared(socket: NetSocket, sink: Sink): boolean {
  const internals = socket as unknown as Internals;
  const handle = internals._handle;
  if (switches === undefined || typeof handle?.useUserBuffer !== "function") return false;
  const { buffer, callback, generator } = switches;
  let placed = false;
  // Node keeps a buffer alive as long as the kernel may write to it by holding it at this switch, so that it is always what `next` gave last.
  internals[buffer] = shared;
  internals[callback] = (bytes: number, read: Buffer): boolean => {
    // Whatever is thrown is the application's, and crashes it as ever; but only after the next read has got its place, lest it go into
    // a message that is the application's by now.
    try {
      if (placed) sink.placed(bytes);
      else sink.take(read.subarray(0, bytes));
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
    return true;
  };
  internals[generator] = (): Buffer => {
    const next = sink.next();
    placed = typeof next !== "number";
    if (typeof next !== "number") return next;
    return next < shared.length ? shared.subarray(0, next) : shared;
  };
  handle.useUserBuffer(shared);
  return true;
}

/** Of a socket that is closed: it does not hold the place of its last read any more, for whoever remembers the socket. */
export function letGo(socket: NetSocket): void {
  const internals = socket as unknown as Internals;
  if (switches !== undefined && switches.buffer in internals) internals[switches.buffer] = shared;
}

interface Switches {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

/** What the `onread` option sets, seen on sockets that have it: with a buffer, and with a function that gives one for each read. */
function findSwitches(): Switches | undefined {
  // On Windows a read stays under way while JavaScript runs: it needs a buffer of its own.
  if (process.platform === "win32" || Number.parseInt(process.versions.node, 10) > nodeMajorMax) return undefined;
  const callback = (): boolean => true;
  const generate = (): Buffer => shared;
  const fixed = new NetSocket({ onread: { buffer: shared, callback } });
  const generated = new NetSocket({ onread: { buffer: generate, callback } });
  const own = Object.getOwnPropertySymbols(fixed);
  const named = (name: string): symbol | undefined => own.find((symbol) => symbol.description === name);
  const [bufferAt, callbackAt, generatorAt] = [named("kBuffer"), named("kBufferCb"), named("kBufferGen")];
  if (bufferAt === undefined || callbackAt === undefined || generatorAt === undefined) return undefined;
  const { [bufferAt]: buffer, [callbackAt]: called, [generatorAt]: none } = fixed as unknown as Internals;
  const { [generatorAt]: generator } = generated as unknown as Internals;
  const asExpected = buffer === shared && called === callback && none === null && generator === generate;
  if (!asExpected) return undefined;
  return { buffer: bufferAt, callback: callbackAt, generator: generatorAt };
}
