// REQ (RFC 28): one request, then its reply, from the peer that got it. When that peer leaves without a reply, `receive`
// says so and the next request can be sent; libzmq's REQ would wait for ever.
import type { Link } from "../engine/link.ts";
import type { Turn } from "../engine/inbox.ts";
import { replyLostError, stateError } from "../errors.ts";
import type { Message, Sendable, SendResult, SocketOptions } from "../types.ts";
import { BaseSocket, requireFrames } from "./base.ts";
import { RoundRobin } from "./round-robin.ts";

const delimiter: readonly Uint8Array[] = [new Uint8Array(0)];

export class Request extends BaseSocket<"REQ"> {
  readonly #peers: RoundRobin;
  readonly #exchange: Exchange;

  constructor(options: SocketOptions) {
    const peers = new RoundRobin();
    const exchange = new Exchange();
    super(
      "REQ",
      {
        type: "REQ",
        prefixesMessages: false,
        turn: exchange,
        added: (connection) => peers.add(connection),
        removed: (connection) => peers.remove(connection),
        ended: (connection) => this.#ended(connection),
        hasRoom: () => exchange.awaited === undefined && peers.hasRoom(),
      },
      options,
    );
    this.#peers = peers;
    this.#exchange = exchange;
    exchange.onReply = () => this.hub.roomChanged();
  }

  send(message: Sendable): SendResult {
    const frames = typeof message === "string" || message instanceof Uint8Array ? [message] : message;
    requireFrames(frames);
    if (this.#exchange.awaited !== undefined) return "state";
    if (this.#peers.size === 0) return "no-peer";
    const connection = this.#peers.take();
    if (connection === undefined) return "full";
    // What came unasked before this request cannot be its reply.
    this.hub.inbox.skip();
    connection.writer.leading(delimiter);
    connection.writer.message(frames, 0);
    this.#exchange.awaited = connection;
    this.#exchange.lost = undefined;
    return "sent";
  }

  #ended(connection: Link): void {
    if (this.#exchange.awaited !== connection || connection.inbox.some(isReply)) return;
    const error = replyLostError(connection.address);
    this.#exchange.awaited = undefined;
    if (this.hub.inbox.waiting) this.hub.inbox.reject(error);
    else this.#exchange.lost = error;
    this.hub.roomChanged();
  }
}

/** It has the empty delimiter, and something behind it. */
function isReply(message: Message): boolean {
  return message.length > 1 && message[0]?.length === 0;
}

/** Whose reply is awaited. */
class Exchange implements Turn {
  awaited: Link | undefined;
  /** To be told at the next `receive`. */
  lost: Error | undefined;
  onReply: () => void = () => undefined;

  mayTake(): boolean {
    // Also when nothing is awaited: what then comes is taken to be discarded.
    return true;
  }

  take(connection: Link, message: Message): Message | undefined {
    if (connection !== this.awaited || !isReply(message)) return undefined;
    this.awaited = undefined;
    this.onReply();
    return message.slice(1);
  }

  receiveError(): Error | undefined {
    const { lost } = this;
    this.lost = undefined;
    if (lost !== undefined || this.awaited !== undefined) return lost;
    return stateError("a REQ socket receives after it has sent; send a request first");
  }
}
