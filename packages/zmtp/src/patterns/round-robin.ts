// Chooses the peer for the next message: in turn, leaving out those whose queue is full (RFC 28, DEALER and REQ; RFC 30, PUSH).
import type { Link } from "../engine/link.ts";
import type { Sendable, SendResult } from "../types.ts";
import { requireFrames } from "./base.ts";

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

  /** To the peer whose turn it is. */
  send(message: Sendable): SendResult {
    const frames = typeof message === "string" || message instanceof Uint8Array ? undefined : message;
    if (frames !== undefined) requireFrames(frames);
    if (this.#peers.length === 0) return "no-peer";
    const peer = this.take();
    if (peer === undefined) return "full";
    if (frames === undefined) peer.writer.single(message as string | Uint8Array);
    else peer.writer.message(frames, 0);
    return "sent";
  }

  hasRoom(): boolean {
    return this.#peers.some((peer) => peer.writer.room());
  }
}
