// Lets a socket read into one buffer that all share, instead of 64 KiB allocated for each read: half the processor time of large
// messages. Node offers that by the `onread` option, but only to whoever connects; for accepted sockets the same switches
// are set from here. They are Node's own business: where one is not found as expected, or in a Node that this was not tried with, the
// answer is no, and the caller reads as usual.
import { Socket as NetSocket } from "node:net";
import { limits } from "../limits.ts";

interface Internals {
  [key: symbol]: unknown;
  readonly _handle?: { useUserBuffer?: (buffer: Uint8Array) => void } | null;
}

/** The newest major version of Node whose sources were looked at for this. */
const nodeMajorMax = 24;

const shared: Buffer = Buffer.allocUnsafeSlow(limits.readBufferBytes);
const switches = findSwitches();

/**
 * @param take is given each read's bytes, which are its own only until it returns.
 * @returns false: not on this platform; nothing has changed, listen to `data`. Else `data` never comes, all other events do.
 */
export function readShared(socket: NetSocket, take: (bytes: Buffer) => void): boolean {
  const internals = socket as unknown as Internals;
  const handle = internals._handle;
  if (switches === undefined || typeof handle?.useUserBuffer !== "function") return false;
  internals[switches.buffer] = shared;
  internals[switches.generator] = null;
  internals[switches.callback] = (bytes: number): boolean => {
    take(shared.subarray(0, bytes));
    return true;
  };
  handle.useUserBuffer(shared);
  return true;
}

interface Switches {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

/** What the `onread` option sets, seen on a socket that has it. */
function findSwitches(): Switches | undefined {
  // On Windows a read stays under way while JavaScript runs: it needs a buffer of its own.
  if (process.platform === "win32" || Number.parseInt(process.versions.node, 10) > nodeMajorMax) return undefined;
  const onread = { buffer: shared, callback: (): boolean => true };
  const probe = new NetSocket({ onread });
  const own = Object.getOwnPropertySymbols(probe);
  const named = (name: string): symbol | undefined => own.find((symbol) => symbol.description === name);
  const [buffer, callback, generator] = [named("kBuffer"), named("kBufferCb"), named("kBufferGen")];
  if (buffer === undefined || callback === undefined || generator === undefined) return undefined;
  const internals = probe as unknown as Internals;
  const asExpected =
    internals[buffer] === shared && internals[callback] === onread.callback && internals[generator] === null;
  return asExpected ? { buffer, callback, generator } : undefined;
}
