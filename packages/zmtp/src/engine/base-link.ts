// What a link is to the socket and the application, however it is carried: who the other end is, what is counted of it, and waiting for room. Carries nothing and
// ends nothing by itself.
import { peerGoneError } from "../errors.ts";
import { defaults } from "../limits.ts";
import type { PeerCloseOptions } from "../types.ts";
import type { Problem } from "../wire/problem.ts";
import type { Link, Output } from "./link.ts";
import { Unread } from "./unread.ts";
import { Waiters } from "./waiters.ts";

/** An output that counts: what it has taken, and what has left it. */
interface CountedOutput extends Output {
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly messagesOut: number;
  readonly bytesOut: number;
}

export abstract class BaseLink implements Link {
  readonly id: number;
  readonly address: string;
  routingId: Uint8Array = new Uint8Array(0);
  metadata: ReadonlyMap<string, string> = new Map();
  userId: string | undefined;
  paused = false;
  staysAway = false;
  missedMessages = 0;
  slow = false;
  matched = 0;
  readonly inbox: Unread = new Unread();
  /** Those who wait until it can be sent to. */
  protected readonly waiting: Waiters = new Waiters();

  protected constructor(id: number, address: string) {
    this.id = id;
    this.address = address;
  }

  abstract readonly ready: boolean;
  abstract readonly writer: CountedOutput;
  abstract readonly messagesIn: number;
  abstract readonly bytesIn: number;
  abstract readonly lastActivityMs: number;
  abstract subscription(on: boolean, topic: Uint8Array): void;
  abstract pause(): void;
  abstract unpause(): void;
  abstract drop(end: Problem): void;
  abstract leave(end: Problem, lingerMs: number): void;

  get queuedMessages(): number {
    return this.writer.queuedMessages;
  }

  get queuedBytes(): number {
    return this.writer.queuedBytes;
  }

  get receiveQueueMessages(): number {
    return this.inbox.size;
  }

  get receiveQueueBytes(): number {
    return this.inbox.bytes;
  }

  get messagesOut(): number {
    return this.writer.messagesOut;
  }

  get bytesOut(): number {
    return this.writer.bytesOut;
  }

  writable(signal?: AbortSignal): Promise<void> {
    if (!this.ready) return Promise.reject(peerGoneError(this.address));
    return this.writer.room() ? Promise.resolve() : this.waiting.wait(signal);
  }

  roomAgain(): void {
    if (this.ready && this.writer.room()) this.waiting.resolve();
  }

  close(reason?: string, options?: PeerCloseOptions): void {
    if (options?.reconnect === false) this.staysAway = true;
    const detail = reason ?? "closed by the application";
    this.leave({ reason: "closed-here", detail }, options?.lingerMs ?? defaults.lingerMs);
  }
}
