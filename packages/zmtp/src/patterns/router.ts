// ROUTER (RFC 28): each received message begins with its sender's routing id, and the first frame of a sent one names whom
// it goes to. It never drops silently: an unknown id is answered with `no-peer`, a full queue with `full`.
import { messageInvalid } from "../errors.ts";
import type { Link } from "../engine/link.ts";
import type { Candidate } from "../engine/owner.ts";
import type { Peer, RouterSocket, Sendable, SendResult, SocketOptions } from "../types.ts";
import { readUint32 } from "../wire/frame.ts";
import type { Problem } from "../wire/problem.ts";
import { BaseSocket, requireFrames } from "./base.ts";

export class Router extends BaseSocket<"ROUTER"> implements RouterSocket {
  readonly #table: RoutingTable;

  constructor(options: SocketOptions) {
    const table = new RoutingTable();
    super(
      "ROUTER",
      {
        type: "ROUTER",
        prefixesMessages: true,
        judge: (peer) => (peer === undefined ? undefined : table.judge(peer)),
        added: (connection) => table.add(connection),
        removed: (connection) => table.remove(connection),
        hasRoom: () => table.hasRoom(),
      },
      options,
    );
    this.#table = table;
  }

  send(message: Sendable): SendResult {
    if (typeof message === "string" || message instanceof Uint8Array || message.length < 2)
      throw messageInvalid("a ROUTER sends the routing id and at least one more frame");
    requireFrames(message);
    const [id] = message;
    const connection = this.#table.find(id ?? "");
    if (connection === undefined) return "no-peer";
    const { writer } = connection;
    if (!writer.room()) return "full";
    const body = message[1];
    if (message.length === 2 && body !== undefined) writer.single(body);
    else writer.message(message, 1);
    return "sent";
  }

  peer(routingId: Uint8Array): Peer | undefined {
    return this.#table.find(routingId);
  }
}

/** Finds a connection by its routing id, without making a string for each message. */
class RoutingTable {
  /** By the very array that its messages begin with: the usual answer goes to what `receive` gave. */
  readonly #byObject = new Map<Uint8Array, Link>();
  /** By the number in an id that was generated here. */
  readonly #byNumber = new Map<number, Link>();
  /** By the bytes of an announced id, as latin1. */
  readonly #byText = new Map<string, Link>();
  #last: Link | undefined;

  find(id: string | Uint8Array): Link | undefined {
    if (this.#last !== undefined && this.#last.routingId === id) return this.#last;
    if (typeof id === "string") return this.#byText.get(Buffer.from(id).toString("latin1"));
    const found = this.#byObject.get(id) ?? this.#byBytes(id);
    if (found !== undefined) this.#last = found;
    return found;
  }

  /** PLAIN, CURVE: whoever has proven to be somebody keeps the id against everybody else. */
  judge({ routingId, userId }: Candidate): Problem | undefined {
    const older = routingId.length === 0 ? undefined : this.#byBytes(routingId);
    if (older === undefined || older.userId === userId) return undefined;
    return { reason: "authentication-failed", detail: "its routing id is that of a peer with another user id" };
  }

  /**
   * A newer connection with the same id takes it over, and the older one is dropped. libzmq ignores the newer one by default,
   * which shuts a restarted client out for as long as its dead connection is not noticed: minutes, or for ever.
   */
  add(connection: Link): void {
    const id = connection.routingId;
    const older = this.#byBytes(id);
    older?.leave({ reason: "handed-over", detail: "a newer connection announced the same routing id" }, 0);
    this.#byObject.set(id, connection);
    if (isGenerated(id)) this.#byNumber.set(readUint32(id, 1), connection);
    else this.#byText.set(latin1(id), connection);
  }

  remove(connection: Link): void {
    const id = connection.routingId;
    this.#byObject.delete(id);
    if (isGenerated(id)) this.#byNumber.delete(readUint32(id, 1));
    else this.#byText.delete(latin1(id));
    if (this.#last === connection) this.#last = undefined;
  }

  hasRoom(): boolean {
    for (const connection of this.#byObject.values()) if (connection.writer.room()) return true;
    return false;
  }

  #byBytes(id: Uint8Array): Link | undefined {
    return isGenerated(id) ? this.#byNumber.get(readUint32(id, 1)) : this.#byText.get(latin1(id));
  }
}

/** No announced id begins with a zero. */
function isGenerated(id: Uint8Array): boolean {
  return id.length === 5 && id[0] === 0;
}

function latin1(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString("latin1");
}
