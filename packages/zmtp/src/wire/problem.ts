// What a peer did wrong, as data: the parsers return it, the connection drops the peer for it. Nothing here throws.
import type { DropReason } from "../peer.ts";

export interface Problem {
  readonly reason: DropReason;
  /** For the log: what was expected and what came. Never the peer's payload. */
  readonly detail: string;
}

/** Text of a peer, for a log: quoted, printable ASCII only, not long. */
export function quoted(bytes: Uint8Array | string): string {
  const text = typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("latin1");
  const printable = text.slice(0, 100).replaceAll(/[^ -~]/g, "?");
  return `"${printable}${text.length > 100 ? "..." : ""}"`;
}
