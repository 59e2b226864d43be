// The counters of a socket: what ended connections left behind, plus what the live ones say when asked. Nothing is counted
// twice, and nothing is counted per message.
import type { DropReason, Peer, SocketCounters } from "../types.ts";

const noDrops: Readonly<Record<DropReason, number>> = {
  "closed-by-peer": 0,
  "closed-here": 0,
  "connection-error": 0,
  "handshake-timeout": 0,
  "protocol-error": 0,
  "frame-too-large": 0,
  "mechanism-mismatch": 0,
  "authentication-failed": 0,
  "socket-type-mismatch": 0,
  "heartbeat-timeout": 0,
  "refused-by-peer": 0,
  "handed-over": 0,
  "too-many-peers": 0,
  "pair-taken": 0,
  "too-many-subscriptions": 0,
  "idle-timeout": 0,
  "message-stalled": 0,
};

export class Counters {
  accepted = 0;
  connected = 0;
  disconnected = 0;
  undelivered = 0;
  #missed = 0;
  readonly #drops: Record<DropReason, number> = { ...noDrops };
  #messagesIn = 0;
  #messagesOut = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  dropped(reason: DropReason): void {
    this.#drops[reason]++;
  }

  /** A connection has ended: what it counted is kept. */
  ended(connection: Peer): void {
    this.#messagesIn += connection.messagesIn;
    this.#messagesOut += connection.messagesOut;
    this.#bytesIn += connection.bytesIn;
    this.#bytesOut += connection.bytesOut;
    this.#missed += connection.missedMessages;
  }

  snapshot(live: Iterable<Peer>, discarded: number): SocketCounters {
    let messagesIn = this.#messagesIn;
    let messagesOut = this.#messagesOut;
    let bytesIn = this.#bytesIn;
    let bytesOut = this.#bytesOut;
    let missed = this.#missed;
    for (const peer of live) {
      messagesIn += peer.messagesIn;
      messagesOut += peer.messagesOut;
      bytesIn += peer.bytesIn;
      bytesOut += peer.bytesOut;
      missed += peer.missedMessages;
    }
    const { accepted, connected, disconnected, undelivered } = this;
    const drops = { ...this.#drops };
    return {
      accepted,
      connected,
      disconnected,
      drops,
      messagesIn,
      messagesOut,
      bytesIn,
      bytesOut,
      undelivered,
      discarded,
      missed,
    };
  }
}
