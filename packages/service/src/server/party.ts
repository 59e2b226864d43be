// Who shares a service with others, and what each of them has of what is bounded for all together: places in the queue, streams,
// bodies. Three quarters are for whoever comes first; of the last quarter nobody gets more than he leaves, so
// that one client, or a few, cannot keep the others out. Who is one, is said here for all of that; the connections to the messaging port
// are counted by its socket, which knows them before they have said who they are, those to a port of HTTP by http/places.ts. Counts
// alone: what is answered is decided elsewhere.
import { hostOf } from "@wherry/zmtp";
import { partiesLeftMin, sharedReserve } from "../limits.ts";

/** One client, over all its connections, and what it has at the moment. */
export class Party {
  connections = 0;
  /** Requests and raw messages in the queue, durable calls that no broker has confirmed. */
  waiting = 0;
  streams = 0;
  bodyBytes = 0;
  /** Questions to `authorize` about what takes no place in the queue. */
  asked = 0;

  /** Nothing is counted for it. */
  get isIdle(): boolean {
    return this.connections + this.waiting + this.streams + this.bodyBytes + this.asked === 0;
  }
}

/**
 * May who has `own` of what all share have more of it?
 * @param used of `max`, by everybody
 */
export function hasShare(own: number, used: number, max: number): boolean {
  const free = max - used;
  return free > max * sharedReserve || own < free;
}

/**
 * The parties of a service that are connected, or have something of it still: what was asked before a connection broke waits for its turn,
 * or runs on. Who could leave that behind, and come back as somebody new, would have a share each time.
 */
export class Parties {
  readonly #known: Map<string, Party> = new Map();
  /** Those without a connection. */
  readonly #left: Set<string> = new Set();
  #leftMax = partiesLeftMin;

  /** How many it knows. */
  get size(): number {
    return this.#known.size;
  }

  /** Another connection of whoever is called so. @param name undefined: a party by itself */
  join(name: string | undefined): Party {
    const party = (name === undefined ? undefined : this.#known.get(name)) ?? new Party();
    party.connections++;
    if (name !== undefined) {
      this.#known.set(name, party);
      this.#left.delete(name);
    }
    return party;
  }

  /** As it joined. */
  leave(party: Party, name: string | undefined): void {
    party.connections--;
    if (name === undefined || party.connections > 0) return;
    this.#left.add(name);
    // Not each time: many may come and go while as many have something left.
    if (party.isIdle) this.#forget(name);
    else if (this.#left.size > this.#leftMax) this.#forgetIdle();
  }

  #forgetIdle(): void {
    for (const name of [...this.#left]) if (this.#known.get(name)?.isIdle !== false) this.#forget(name);
    this.#leftMax = Math.max(partiesLeftMin, 2 * this.#left.size);
  }

  #forget(name: string): void {
    this.#known.delete(name);
    this.#left.delete(name);
  }
}

/** What is known of who is at the other end. */
interface Known {
  /** `tcp://10.0.0.1:53211`, `http://10.0.0.1:53211` */
  readonly address: string;
  /** Who it has proven to be. */
  readonly userId?: string | undefined;
}

/**
 * What a client is called wherever it is counted: by what it has proven, else by the machine or pod that it calls from, whichever way
 * it does. One that has neither, over a file in this machine, by the address.
 */
export function clientName({ address, userId }: Known): string {
  return userId === undefined ? `host ${hostOf(address) ?? address}` : `user ${userId}`;
}

/**
 * The same, of a ZeroMQ peer: one connection is a client. Undefined where the address tells nobody from another: processes of one
 * machine, or of one pod and its sidecar. Over HTTP such an address is a client still: there, each request may have a connection of its own.
 */
export function peerName(peer: Known): string | undefined {
  const host = hostOf(peer.address);
  const tellsNothing = host === undefined || host === "::1" || host.startsWith("127.");
  return peer.userId === undefined && tellsNothing ? undefined : clientName(peer);
}
