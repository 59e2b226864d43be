// Who shares a service with others, and what each of them has of what is bounded for all together: places in the queue, streams,
// bodies, HTTP connections. Three quarters are for whoever comes first; of the last quarter nobody gets more than he leaves, so
// that one client, or a few, cannot keep the others out. Counts alone: who counts, and what is answered, is decided where it is used.
import { sharedReserve } from "../limits.ts";

/** One client, over all its connections, and what it has at the moment. */
export class Party {
  connections = 0;
  /** Requests and raw messages in the queue, durable calls that no broker has confirmed. */
  waiting = 0;
  streams = 0;
  bodyBytes = 0;
}

/**
 * May who has `own` of what all share have more of it?
 * @param used of `max`, by everybody
 */
export function hasShare(own: number, used: number, max: number): boolean {
  const free = max - used;
  return free > max * sharedReserve || own < free;
}

/** The parties of a service that are connected. */
export class Parties {
  readonly #known: Map<string, Party> = new Map();

  /**
   * Another connection of the client that has proven to be `userId`, or else comes from `host`.
   * @param host undefined: nothing is known of it, and it is a party by itself
   */
  join(userId: string | undefined, host: string | undefined): Party {
    const name = nameOf(userId, host);
    const party = (name === undefined ? undefined : this.#known.get(name)) ?? new Party();
    party.connections++;
    if (name !== undefined) this.#known.set(name, party);
    return party;
  }

  /** As it joined. */
  leave(party: Party, userId: string | undefined, host: string | undefined): void {
    party.connections--;
    const name = nameOf(userId, host);
    if (name !== undefined && party.connections === 0) this.#known.delete(name);
  }
}

/**
 * The machine, or the pod, at the other end; undefined where that tells nobody from another: processes of one machine, or of one
 * pod and its sidecar.
 * @param address of a ZeroMQ peer: `tcp://10.0.0.1:53211`
 */
export function hostOf(address: string): string | undefined {
  const host = /^tcp:\/\/\[?(?:::ffff:)?([^\]]+?)\]?:\d+$/.exec(address)?.[1];
  return host === undefined || host === "::1" || host.startsWith("127.") ? undefined : host;
}

function nameOf(userId: string | undefined, host: string | undefined): string | undefined {
  if (userId !== undefined) return `user ${userId}`;
  return host === undefined ? undefined : `host ${host}`;
}
