// Places for connections at one port of HTTP: who has how many, and may have one more. An address is a host here in any case, of this machine
// too, for nobody has a key, and each of a client's requests may have a connection of its own. Counts alone, and ends whom it has no place for.
import type { Socket } from "node:net";
import { clientName, hasShare } from "../server/party.ts";

/** As it stands in logs, and as handlers get it: `http://10.0.0.1:53211`. */
export function addressOf({ remoteAddress = "", remotePort = 0 }: Socket): string {
  return `http://${remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;
}

export class Places {
  readonly #max: number;
  #used = 0;
  readonly #own: Map<string, number> = new Map();

  constructor(max: number) {
    this.#max = max;
  }

  /** A connection has come in. @returns false when there is no place for it: it has ended. */
  take(socket: Socket): boolean {
    const name = clientName({ address: addressOf(socket) });
    const own = this.#own.get(name) ?? 0;
    if (!hasShare(own, this.#used, this.#max)) {
      socket.destroy();
      return false;
    }
    this.#used++;
    this.#own.set(name, own + 1);
    socket.once("close", () => this.#leave(name));
    return true;
  }

  #leave(name: string): void {
    this.#used--;
    const left = (this.#own.get(name) ?? 0) - 1;
    if (left > 0) this.#own.set(name, left);
    else this.#own.delete(name);
  }
}
