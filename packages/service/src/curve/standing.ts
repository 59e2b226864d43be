// Connections that stand while their client's key is taken away: looks at them now and then, as long as there are any, and ends those.
import { asError, type Clock, type Logger, type Timer } from "@wherry/core";
import type { Peer } from "@wherry/zmtp";
import { standingKeysLookMs } from "../limits.ts";
import type { ServerSocket } from "../server/server.ts";
import type { ServiceSecurity } from "./serving.ts";

export interface StandingOptions {
  readonly socket: Pick<ServerSocket, "peers" | "on">;
  readonly allows: ServiceSecurity["allows"];
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends a connection, and tells its client why. */
  readonly revoke: (peer: Peer) => void;
}

export class StandingConnections {
  readonly #options: StandingOptions;
  #timer: Timer | undefined;
  /** Keys that are being asked about: one whose answer takes long holds up no other. */
  readonly #asked: Set<string> = new Set();
  #failure = "";
  #stopped = false;

  constructor(options: StandingOptions) {
    this.#options = options;
    options.socket.on("connect", () => this.#lookLater());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #lookLater(): void {
    if (this.#stopped || this.#timer !== undefined) return;
    this.#timer = this.#options.clock.timer(standingKeysLookMs, () => this.#look(), { background: true });
  }

  #look(): void {
    this.#timer = undefined;
    const keys = new Set([...this.#options.socket.peers.values()].map(({ userId = "" }) => userId));
    for (const key of keys) if (!this.#asked.has(key)) void this.#check(key);
    if (keys.size > 0) this.#lookLater();
  }

  async #check(key: string): Promise<void> {
    const { allows, log, revoke, socket } = this.#options;
    this.#asked.add(key);
    try {
      const isAllowed = await allows(key);
      this.#failure = "";
      if (isAllowed || this.#stopped) return;
      const peers = [...socket.peers.values()].filter(({ userId }) => userId === key);
      log.info({ key, connections: peers.length }, "a key was taken away: the connections of its owner end");
      for (const peer of peers) revoke(peer);
    } catch (error) {
      // Who was let in stays, until there is a clear no; that is said once for each reason.
      const { message } = asError(error);
      if (message !== this.#failure)
        log.warn({ problem: message }, "whether a client may stay could not be decided: it stays");
      this.#failure = message;
    } finally {
      this.#asked.delete(key);
    }
  }
}
