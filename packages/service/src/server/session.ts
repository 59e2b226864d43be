// One connected peer: what it said, and which of its requests are open. It writes their answers; the rules are in intake.ts.
import { IdTable } from "@wherry/core";
import type { Peer, Sendable } from "@wherry/zmtp";
import { fateByte, type ServiceError } from "../errors.ts";
import { creditMax, eventQueueBytesMax, eventQueueMessagesMax } from "../limits.ts";
import { contentType, messageType } from "../protocol/codes.ts";
import { type Content, encodeContent, type TextContent } from "../protocol/content.ts";
import { encode, noTexts, passingHeader, uint32Of, wirePlace } from "../protocol/frames.ts";
import { Outflow } from "../stream/window.ts";
import type { Caller, StreamCaller } from "./caller.ts";
import type { PublishedEvent, Subscriber } from "./event.ts";
import type { PlainPeer, RequestJob } from "./job.ts";
import type { Party } from "./party.ts";
import type { ServerStream } from "./stream.ts";

export class Session implements Caller, StreamCaller, Subscriber, PlainPeer {
  readonly peer: Peer;
  /** `new`: nothing said. `wherry`: said HELLO. `raw`: sent something else. `bye`: wants nothing more. `dropped`: broke the rules; its connection is closing. */
  phase: "new" | "wherry" | "raw" | "bye" | "dropped" = "new";
  /** What it called itself. */
  name = "";
  /** The codec that it speaks beside JSON. */
  codec: string | undefined;
  /** When its last message came, by `Clock.monotonic`. */
  lastMessageMs: number;
  /** Requests not answered yet, by id. */
  readonly open: IdTable<RequestJob> = new IdTable();
  /** Its streams that are not over, by id. */
  readonly streams: Map<number, ServerStream> = new Map();
  #outflow: Outflow | undefined;
  /** Sends a message, routing id first. */
  readonly #send: (session: Session, message: Sendable) => void;
  readonly party: Party;

  constructor(peer: Peer, party: Party, nowMs: number, send: (session: Session, message: Sendable) => void) {
    this.peer = peer;
    this.party = party;
    this.lastMessageMs = nowMs;
    this.#send = send;
  }

  get address(): string {
    return this.peer.address;
  }

  get userId(): string | undefined {
    return this.peer.userId;
  }

  /** May it have one more request outstanding? */
  get hasRoom(): boolean {
    return this.open.size < creditMax;
  }

  /** What all its streams have under way. */
  get outflow(): Outflow {
    return (this.#outflow ??= new Outflow());
  }

  /** Is this id outstanding? */
  has(id: number): boolean {
    return this.open.has(id) || this.streams.has(id);
  }

  send(frames: readonly (string | Uint8Array)[]): void {
    this.#send(this, [this.peer.routingId, ...frames]);
  }

  reply(id: number, { content, body }: TextContent): void {
    this.#forget(id);
    const header = passingHeader(messageType.reply, 0, id, 0, noTexts, body === undefined ? contentType.none : content);
    const { routingId } = this.peer;
    this.#send(this, body === undefined ? [routingId, header] : [routingId, header, body]);
  }

  /** @param id 0 when it is about no request. */
  fail(id: number, error: ServiceError): void {
    this.#forget(id);
    const { code, message, retryable, details } = error;
    const number = uint32Of(error.retryAfterMs ?? 0);
    const { content, body } = encodeContent({ message, retryable, details });
    this.send(encode(messageType.error, { id, number, content, mark: fateByte(error.fate), texts: [code] }, body));
  }

  grant(id: number, items: number, bytes: number): void {
    this.send(encode(messageType.grant, { id, mark: items, number: bytes }));
  }

  item(id: number, place: number, { content, body }: Content): void {
    this.send(encode(messageType.item, { id, number: wirePlace(place), content }, body));
  }

  stop(id: number): void {
    this.send(encode(messageType.stop, { id }));
  }

  get waitingBytes(): number {
    return this.peer.queuedBytes;
  }

  get isSlow(): boolean {
    const { queuedMessages, queuedBytes } = this.peer;
    return queuedMessages >= eventQueueMessagesMax || queuedBytes >= eventQueueBytesMax;
  }

  event(event: PublishedEvent, content: Content): void {
    this.send(event.framesOf(content));
  }

  position(topic: string, last: number, id: number): void {
    this.send(encode(messageType.position, { id, number: last, texts: [topic] }));
  }

  #forget(id: number): void {
    this.open.take(id);
    this.streams.delete(id);
  }
}
