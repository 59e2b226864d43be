// PUSH (RFC 30): sends to its peers in turn, passing over the full ones, and receives nothing. What a peer sends all the same is
// discarded, and counted.
import type { PushSocket, Sendable, SendResult, SocketOptions } from "../types.ts";
import { BaseSocket, noReceiving } from "./base.ts";
import { RoundRobin } from "./round-robin.ts";

export class Push extends BaseSocket<"PUSH"> implements PushSocket {
  readonly #peers: RoundRobin;

  constructor(options: SocketOptions) {
    const peers = new RoundRobin();
    super(
      "PUSH",
      {
        type: "PUSH",
        prefixesMessages: false,
        turn: noReceiving("PUSH"),
        added: (connection) => peers.add(connection),
        removed: (connection) => peers.remove(connection),
        accept: (_, messages) => {
          this.hub.inbox.discarded += messages.length;
          return [];
        },
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
