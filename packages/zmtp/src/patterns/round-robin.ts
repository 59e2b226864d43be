// Chooses the peer for the next message: in turn, leaving out those whose queue is full (RFC 28, DEALER and REQ).
import type { Connection } from "../engine/connection.ts";

export class RoundRobin {
  readonly #peers: Connection[] = [];
  #next = 0;

  get size(): number {
    return this.#peers.length;
  }

  add(connection: Connection): void {
    this.#peers.push(connection);
  }

  remove(connection: Connection): void {
    const index = this.#peers.indexOf(connection);
    if (index < 0) return;
    this.#peers.splice(index, 1);
    if (index < this.#next) this.#next--;
  }

  /** The next peer with room, and the turn passes on; undefined when none has any. */
  take(): Connection | undefined {
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
