// What waits to be sent to all peers together. Each peer has a bound of its own; many that do not read would, together, still take all
// memory, or the room of those that do.
import type { Session } from "./session.ts";

type Reader = Pick<Session, "phase"> & { readonly peer: Pick<Session["peer"], "queuedBytes"> };

/** Those for whom most waits: without them, what waits is within the bound. Mostly nobody. */
export function slowestOf<S extends Reader>(sessions: ReadonlyMap<number, S>, bytesMax: number): readonly S[] {
  let bytes = 0;
  for (const { phase, peer } of sessions.values()) if (phase !== "dropped") bytes += peer.queuedBytes;
  if (bytes <= bytesMax) return [];
  const reading = [...sessions.values()].filter(({ phase }) => phase !== "dropped");
  const slowest: S[] = [];
  for (const session of reading.sort((a, b) => b.peer.queuedBytes - a.peer.queuedBytes)) {
    if (bytes <= bytesMax) break;
    slowest.push(session);
    bytes -= session.peer.queuedBytes;
  }
  return slowest;
}
