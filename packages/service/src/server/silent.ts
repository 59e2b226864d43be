// Peers that have connected and say nothing: they hold places that others want. Each has its time to say who it is, by HELLO or by a raw
// message; a PING before that gives it as much again. Then its connection ends. One timer for all, and none while nobody is silent; who
// has spoken is not looked at again, so that no message costs anything.
import type { Clock, Timer } from "@wherry/core";
import type { Peer } from "@wherry/zmtp";
import { peersMax, sharedReserve, silentPeerMs, silentPeersPauseMs, silentPeersPerLook } from "../limits.ts";
import { settled } from "./settled.ts";

export interface SilentOptions {
  readonly clock: Clock;
  readonly socket: { readonly peers: ReadonlyMap<number, Peer> };
  /** Connections that the socket takes. Default: as many as there may be. */
  readonly peersMax?: number | undefined;
  /** There is a raw handler: plain peers speak when they have something to say, and may stay as long as there is room. */
  readonly mayBePlain: boolean;
  /** Ends the connection. */
  readonly end: (peer: Peer) => void;
}

export class SilentPeers {
  readonly #options: SilentOptions;
  readonly #clock: Clock;
  /** Since when, by `Clock.monotonic`: the longest silent first. */
  readonly #since: Map<Peer, number> = new Map();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: SilentOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  get size(): number {
    return this.#since.size;
  }

  /** It has connected, or pinged: its time begins. */
  listen(peer: Peer): void {
    if (this.#stopped) return;
    this.#since.delete(peer);
    this.#since.set(peer, this.#clock.monotonic());
    this.#timer ??= this.#later(silentPeerMs);
  }

  /** It pinged, and has not said who it is. */
  pinged(peer: Peer): void {
    if (this.#since.has(peer)) this.listen(peer);
  }

  /** It has said who it is, or is gone. */
  forget(peer: Peer): void {
    this.#since.delete(peer);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#since.clear();
  }

  #later(delayMs: number): Timer {
    return this.#clock.timer(delayMs, () => void this.#look(), { background: true });
  }

  async #look(): Promise<void> {
    await settled();
    const delayMs = this.#mayStay() ? silentPeerMs : this.#endThose(this.#clock.monotonic() - silentPeerMs);
    this.#timer = this.#stopped || this.#since.size === 0 ? undefined : this.#later(delayMs);
  }

  #mayStay(): boolean {
    const { mayBePlain, socket, peersMax: most = peersMax } = this.#options;
    return mayBePlain && socket.peers.size < most * (1 - sharedReserve);
  }

  /** @param untilMs who has been silent since then goes. @returns milliseconds until it is worth looking again */
  #endThose(untilMs: number): number {
    let ended = 0;
    for (const [peer, sinceMs] of this.#since) {
      if (sinceMs > untilMs) return Math.max(silentPeersPauseMs, sinceMs - untilMs);
      if (ended === silentPeersPerLook) return silentPeersPauseMs;
      ended++;
      this.#since.delete(peer);
      this.#options.end(peer);
    }
    return silentPeerMs;
  }
}
