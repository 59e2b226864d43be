// PAIR (RFC 31): one peer at a time, both ways. A second one is dropped before it becomes a peer, with `pair-taken`; when the first has
// left, the next may come.
import type { Link } from "../engine/link.ts";
import type { Sendable, SendResult, Socket, SocketOptions } from "../types.ts";
import { BaseSocket, requireFrames } from "./base.ts";

export class Pair extends BaseSocket<"PAIR"> implements Socket {
  #peer: Link | undefined;

  constructor(options: SocketOptions) {
    super(
      "PAIR",
      {
        type: "PAIR",
        prefixesMessages: false,
        judge: () =>
          this.#peer === undefined
            ? undefined
            : { reason: "pair-taken", detail: `this PAIR is connected to ${this.#peer.address}` },
        added: (connection) => {
          this.#peer = connection;
        },
        removed: () => {
          this.#peer = undefined;
        },
        hasRoom: () => this.#peer?.writer.room() === true,
      },
      options,
    );
  }

  send(message: Sendable): SendResult {
    const frames = typeof message === "string" || message instanceof Uint8Array ? undefined : message;
    if (frames !== undefined) requireFrames(frames);
    const peer = this.#peer;
    if (peer === undefined) return "no-peer";
    if (!peer.writer.room()) return "full";
    if (frames === undefined) peer.writer.single(message as string | Uint8Array);
    else peer.writer.message(frames, 0);
    return "sent";
  }
}
