// Chooses the peer for the next message: in turn, leaving out those whose queue is full (RFC 28, DEALER and REQ).
import type { Link } from "../engine/link.ts";

export class RoundRobin {
  readonly #peers: Link[] = [];
  #next = 0;

  get size(): number {
    return this.#peers.length;
  }

  add(connection: Link): void {
    this.#peers.push(connection);
  }

  remove(connection: Link): void {
    const index = this.#peers.indexOf(connection);
    if (index < 0) return;
    this.#peers.splice(index, 1);
    if (index < this.#next) this.#next--;
  }

  /** The next peer with room, and the turn passes on; undefined when none has any. */
  take(): Link | undefined {
    const peers = this.#peers;
    for (let tried = 0; tried < peers.length; tried++) {
      if (this.#next >= peers.length) this.#next = 0;
      const peer = peers[this.#next++];
      if (peer?.writer.room() === true) return peer;
    }
    return undefined;
  }

  hasRoom(): boolean {
    return this.#peers.some((peer) => peer.writer.room());
  }
}
