// What a server knows of one connected peer. State only; the rules are in server.ts.
import type { Peer } from "@wherry/zmtp";
import type { RequestJob } from "./job.ts";

export interface Session {
  readonly peer: Peer;
  /** `new`: nothing said. `wherry`: said HELLO. `raw`: sent something else. `bye`: wants nothing more. `dropped`: broke the rules; its connection is closing. */
  phase: "new" | "wherry" | "raw" | "bye" | "dropped";
  /** What it called itself. */
  name: string;
  /** When its last message came, by `Clock.monotonic`. */
  lastMessageMs: number;
  /** Requests not answered yet, by id. */
  readonly open: Map<number, RequestJob>;
}

export function newSession(peer: Peer, nowMs: number): Session {
  return { peer, phase: "new", name: "", lastMessageMs: nowMs, open: new Map() };
}
