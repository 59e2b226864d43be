// `inproc://`: two sockets of one thread joined without the wire. Messages are handed over by reference, in the next turn of the
// event loop; limits, order, closing and events are those of a connection. No handshake, no heartbeat, no bytes.
import type { Timer } from "@wherry/core";
import { peerGoneError } from "../errors.ts";
import { defaults } from "../limits.ts";
import type { Message } from "../types.ts";
import type { Problem } from "../wire/problem.ts";
import { subscriptionFrame } from "../wire/subscription.ts";
import { BaseLink } from "./base-link.ts";
import { mayTalk } from "./handshake.ts";
import { InprocOutput } from "./inproc-output.ts";
import { InprocNames } from "./inproc-names.ts";
import type { ConnectionOwner } from "./owner.ts";

type State = "waiting" | "ready" | "closing" | "gone";

/** Those of this thread. */
export const inprocNames: InprocNames<InprocLink> = new InprocNames();

export class InprocLink extends BaseLink {
  bytesIn = 0;
  messagesIn = 0;
  lastActivityMs: number;
  readonly writer: InprocOutput;

  readonly #owner: ConnectionOwner;
  #other: InprocLink | undefined;
  #deadline: Timer | undefined;
  #state: State = "waiting";
  #met = false;
  #wasReady = false;
  #end: Problem = { reason: "closed-here", detail: "closed" };

  constructor(id: number, address: string, owner: ConnectionOwner) {
    super(id, address);
    this.#owner = owner;
    this.lastActivityMs = owner.clock.monotonic();
    this.writer = new InprocOutput(owner, {
      mayTake: () => this.#other?.paused === false,
      take: (messages) => this.#other?.take(messages),
      onProgress: () => this.#onProgress(),
    });
  }

  /** Joins the two ends, if their sockets may talk; else both are dropped. Called once, in a tick of its own. */
  static join(one: InprocLink, two: InprocLink): void {
    if (one.#state !== "waiting" || two.#state !== "waiting") {
      one.drop(noPartner);
      two.drop(noPartner);
      return;
    }
    one.#met = true;
    two.#met = true;
    const problem = one.#meet(two) ?? two.#meet(one);
    if (problem !== undefined) {
      one.drop(problem);
      two.drop(problem);
      return;
    }
    one.#other = two;
    two.#other = one;
    for (const each of [one, two]) {
      each.#state = "ready";
      each.#wasReady = true;
    }
    one.#owner.onReady(one);
    two.#owner.onReady(two);
  }

  /** Who the other end is. */
  #meet(other: InprocLink): Problem | undefined {
    const { type, settings } = other.#owner;
    if (!mayTalk(this.#owner.type, type))
      return { reason: "socket-type-mismatch", detail: `${type} cannot talk to ${this.#owner.type}` };
    const { routingId } = settings;
    this.metadata = new Map([
      ["Socket-Type", type],
      ["Identity", routingId.toString()],
    ]);
    this.routingId = routingId.length > 0 ? Buffer.from(routingId) : this.#owner.generateRoutingId(this);
    return this.#owner.judge();
  }

  get ready(): boolean {
    return this.#state === "ready";
  }

  subscription(on: boolean, topic: Uint8Array): void {
    if (this.#state === "ready") this.writer.single(subscriptionFrame(on, topic));
  }

  pause(): void {
    this.paused = true;
  }

  unpause(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#other?.writer.flushLater();
  }

  /** Messages of the other end. */
  take(messages: Message[]): void {
    const tooLarge = messages.findIndex((message) => !this.#fits(message));
    const taken = tooLarge < 0 ? messages : messages.slice(0, tooLarge);
    this.lastActivityMs = this.#owner.clock.monotonic();
    this.messagesIn += taken.length;
    for (const message of taken) for (const frame of message) this.bytesIn += frame.length;
    const given = this.#owner.prefixesMessages ? taken.map((message) => [this.routingId, ...message]) : taken;
    if (tooLarge >= 0) this.drop({ reason: "frame-too-large", detail: "a message above this socket's limits" });
    if (given.length > 0) this.#owner.onMessages(this, given);
  }

  #fits(message: Message): boolean {
    const { messageBytesMax, messageFramesMax } = this.#owner.settings;
    let bytes = 0;
    for (const frame of message) bytes += frame.length;
    return bytes <= messageBytesMax && message.length <= messageFramesMax;
  }

  drop(end: Problem): void {
    if (this.#state === "gone") return;
    this.#leave(end);
    this.#finish();
  }

  leave(end: Problem, lingerMs: number): void {
    if (this.#state === "closing" || this.#state === "gone") return;
    if (this.#state === "waiting" || lingerMs <= 0) {
      this.drop(end);
      return;
    }
    this.#leave(end);
    this.#deadline = this.#owner.clock.timer(lingerMs, () => this.#finish());
    // Not within the caller, who may be a reader in the midst of a batch.
    process.nextTick(() => {
      this.writer.flush();
      this.#finishWhenEmpty();
    });
  }

  /** Once: nothing can be sent from here on. */
  #leave(end: Problem): void {
    const before = this.#state;
    if (before === "closing" || before === "gone") return;
    this.#end = end;
    this.#state = "closing";
    this.waiting.reject(peerGoneError(this.address));
    if (before === "ready") this.#owner.onLeaving(this, end.reason, end.detail);
  }

  /** As with FIN: the other end is told when all has gone over to it, and then what it had accepted until now is still taken. */
  #finishWhenEmpty(): void {
    if (this.#state !== "closing" || this.writer.queuedMessages > 0) return;
    const other = this.#other;
    if (other?.ready === true) {
      other.leave(closedByPeer, defaults.lingerMs);
      return;
    }
    other?.writer.flush();
    // Else the reader here has fallen behind: when it goes on, or the linger's time is over.
    if (other === undefined || other.writer.queuedMessages === 0) this.#finish();
  }

  /** Nothing comes or goes any more. Told a tick later, as a connection's end would be. */
  #finish(): void {
    if (this.#state === "gone") return;
    this.#state = "gone";
    this.#deadline?.cancel();
    const undelivered = this.writer.stop();
    const wasReady = this.#wasReady;
    inprocNames.forget(this.address, this);
    const other = this.#other;
    this.#other = undefined;
    process.nextTick(() => {
      this.#owner.onGone(this, { ...this.#end, undelivered, wasOpen: this.#met, wasReady });
      other?.drop(closedByPeer);
    });
  }

  #onProgress(): void {
    if (this.#state === "ready") {
      this.waiting.resolve();
      this.#owner.onRoom(this);
    } else {
      this.#finishWhenEmpty();
    }
  }
}

const closedByPeer: Problem = { reason: "closed-by-peer", detail: "the other socket closed the connection" };
/** As a connection that was refused. */
const noPartner: Problem = { reason: "connection-error", detail: "the other end left before they met" };
