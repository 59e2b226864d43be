// REP (RFC 28): takes one request, then sends its reply back along the request's envelope. Requests without an empty
// delimiter frame are discarded, and counted.
import type { Link } from "../engine/link.ts";
import type { Turn } from "../engine/inbox.ts";
import { stateError } from "../errors.ts";
import type { Message, Sendable, SendResult, SocketOptions } from "../types.ts";
import { BaseSocket, requireFrames } from "./base.ts";

export class Reply extends BaseSocket<"REP"> {
  readonly #exchange: Exchange;

  constructor(options: SocketOptions) {
    const exchange = new Exchange();
    super(
      "REP",
      {
        type: "REP",
        prefixesMessages: false,
        turn: exchange,
        added: () => undefined,
        removed: () => this.hub.roomChanged(),
        hasRoom: () => {
          const asker = exchange.request?.connection;
          return asker !== undefined && (!asker.ready || asker.writer.room());
        },
      },
      options,
    );
    this.#exchange = exchange;
  }

  /** `no-peer`: the one who asked has left; the reply is of no use to anybody, and the next request can be taken. */
  send(message: Sendable): SendResult {
    const frames = typeof message === "string" || message instanceof Uint8Array ? [message] : message;
    requireFrames(frames);
    const { request } = this.#exchange;
    if (request === undefined) return "state";
    const { connection, envelope } = request;
    if (connection.ready && !connection.writer.room()) return "full";
    this.#exchange.request = undefined;
    if (connection.ready) {
      connection.writer.leading(envelope);
      connection.writer.message(frames, 0);
    }
    this.hub.inbox.pump();
    return connection.ready ? "sent" : "no-peer";
  }
}

/** The request that is being answered. */
class Exchange implements Turn {
  /** The envelope: all frames up to the empty delimiter, with it. */
  request: { readonly connection: Link; readonly envelope: Message } | undefined;

  mayTake(): boolean {
    return this.request === undefined;
  }

  take(connection: Link, message: Message): Message | undefined {
    const delimiterAt = message.findIndex((frame) => frame.length === 0);
    if (delimiterAt < 0 || delimiterAt === message.length - 1) return undefined;
    this.request = { connection, envelope: message.slice(0, delimiterAt + 1) };
    return message.slice(delimiterAt + 1);
  }

  receiveError(): Error | undefined {
    if (this.request === undefined) return undefined;
    return stateError("a REP socket receives after it has replied; send the reply first");
  }
}
