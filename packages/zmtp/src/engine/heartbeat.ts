// Watches that a peer still lives (RFC 37): sends PING at an interval, and drops a peer that was silent for three of them,
// or for the time to live that its own PING named. It sees only when bytes last came; it never reads the stream.
import type { Clock, Timer } from "@wherry/core";
import { limits } from "../limits.ts";
import { encodePing } from "../wire/command.ts";

export interface HeartbeatPeer {
  readonly lastActivityMs: number;
  /** Reading is paused here, so that silence says nothing about the peer. */
  readonly paused: boolean;
  sendCommand(frame: Buffer): void;
  /** Nothing came for `silentMs`. */
  heartbeatMissed(silentMs: number): void;
}

export class Heartbeat {
  readonly #peer: HeartbeatPeer;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  #interval: Timer | undefined;
  #ttl: Timer | undefined;
  #ttlMs = 0;

  /** @param intervalMs 0: no PING from here; the peer's own time to live is still kept. */
  constructor(peer: HeartbeatPeer, clock: Clock, intervalMs: number) {
    this.#peer = peer;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    if (this.#intervalMs > 0) this.#interval = this.#clock.timer(this.#intervalMs, this.#onInterval);
  }

  stop(): void {
    this.#interval?.cancel();
    this.#ttl?.cancel();
  }

  /** The peer's PING said that it wants to be dropped after `ttlMs` of silence; 0: no wish. */
  peerTtl(ttlMs: number): void {
    this.#ttlMs = ttlMs;
    if (ttlMs === 0 || this.#ttl !== undefined) return;
    this.#ttl = this.#clock.timer(ttlMs, this.#onTtl);
  }

  readonly #onInterval = (): void => {
    const toleratedMs = this.#intervalMs * limits.heartbeatMisses;
    if (this.#silent(toleratedMs)) return;
    this.#peer.sendCommand(encodePing(toleratedMs));
    this.#interval = this.#clock.timer(this.#intervalMs, this.#onInterval);
  };

  readonly #onTtl = (): void => {
    this.#ttl = undefined;
    if (this.#ttlMs === 0 || this.#silent(this.#ttlMs)) return;
    const silentMs = this.#clock.monotonic() - this.#peer.lastActivityMs;
    this.#ttl = this.#clock.timer(Math.max(1, this.#ttlMs - silentMs), this.#onTtl);
  };

  /** Tells the peer's connection, and is true, when it was silent for `toleratedMs`. */
  #silent(toleratedMs: number): boolean {
    const silentMs = this.#clock.monotonic() - this.#peer.lastActivityMs;
    if (this.#peer.paused || silentMs < toleratedMs) return false;
    this.#peer.heartbeatMissed(silentMs);
    return true;
  }
}
