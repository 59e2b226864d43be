// Which connections the listener holds. Those on which nobody has shown a token yet have a budget of their own: when it is used
// up the oldest of them is closed, so that no flood of strangers keeps out, or throws out, anyone with a token.
import type { Socket } from "node:net";
import { limits } from "../limits.ts";
import type { User } from "../types.ts";
import { Budget } from "./budget.ts";

type Peer = Pick<Socket, "remoteAddress" | "remotePort">;

export class Connections {
  /** By peer, oldest first: a TLS socket and the TCP socket beneath it know each other by nothing else. */
  readonly #strangers = new Map<string, Socket>();
  readonly #known = new Map<string, User>();
  readonly #budget = new Budget({ total: limits.userConnectionsMax, perUser: limits.userConnectionsMax });

  /** @returns the connection that has to go for this one. */
  opened(socket: Socket): Socket | undefined {
    const peer = peerOf(socket);
    this.#strangers.set(peer, socket);
    socket.once("close", () => {
      this.#strangers.delete(peer);
      const user = this.#known.get(peer);
      if (user === undefined) return;
      this.#known.delete(peer);
      this.#budget.give(user);
    });
    if (this.#strangers.size <= limits.strangerConnectionsMax) return undefined;
    const [oldest] = this.#strangers;
    if (oldest === undefined) return undefined;
    this.#strangers.delete(oldest[0]);
    return oldest[1];
  }

  /** Somebody with a token uses the connection: a stranger's no more. False when users have too many; it remains a stranger's. */
  belongsTo(socket: Peer, user: User): boolean {
    const peer = peerOf(socket);
    if (!this.#strangers.has(peer)) return true;
    if (!this.#budget.take(user)) return false;
    this.#strangers.delete(peer);
    this.#known.set(peer, user);
    return true;
  }
}

const peerOf = ({ remoteAddress, remotePort }: Peer): string => `${remoteAddress ?? ""} ${remotePort ?? ""}`;
