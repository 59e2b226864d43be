// What a peer did wrong, as data: the parsers return it, the connection drops the peer for it. Nothing here throws.
import type { DropReason } from "../types.ts";

export interface Problem {
  readonly reason: DropReason;
  /** For the log: what was expected and what came. Never the peer's payload. */
  readonly detail: string;
}
