// DEALER (RFC 28): sends to its peers in turn and receives from all of them fairly. Nothing waits for a peer that is not
// there: without one, `send` says `no-peer`.
import type { Sendable, SendResult, SocketOptions } from "../types.ts";
import { BaseSocket } from "./base.ts";
import { RoundRobin } from "./round-robin.ts";

export class Dealer extends BaseSocket<"DEALER"> {
  readonly #peers: RoundRobin;

  constructor(options: SocketOptions) {
    const peers = new RoundRobin();
    super(
      "DEALER",
      {
        type: "DEALER",
        prefixesMessages: false,
        added: (connection) => peers.add(connection),
        removed: (connection) => peers.remove(connection),
        hasRoom: () => peers.hasRoom(),
      },
      options,
    );
    this.#peers = peers;
  }

  send(message: Sendable): SendResult {
    return this.#peers.send(message);
  }
}
