// Received messages on their way to the reader: fair-queued over the connections (RFC 28), handed over one by one
// (`receive`) or a wake-up's worth at a time (`onMessages`). When the reader falls behind, reading from the peers pauses: from the
// one whose share of the queue is used up, or from all when the whole queue is.
import { BoundedQueue } from "@wherry/core";
import { closedError } from "../errors.ts";
import type { Message } from "../types.ts";
import type { Link } from "./link.ts";

export type MessagesHandler = (messages: readonly Message[]) => boolean | undefined;

/** The rules of a socket type that takes messages in turn (REQ, REP). */
export interface Turn {
  /** May the reader be given a message now? */
  mayTake(): boolean;
  /** What the reader gets of a message; undefined: the rules discard it. */
  take(connection: Link, message: Message): Message | undefined;
  /** Why `receive` cannot be called now, if so. */
  receiveError(): Error | undefined;
}

export interface InboxLimits {
  readonly receiveQueueMessagesMax: number;
  readonly receiveQueueBytesMax: number;
  readonly peerReceiveQueueMessagesMax: number;
  readonly peerReceiveQueueBytesMax: number;
}

interface Receiver {
  readonly resolve: (message: Message) => void;
  readonly reject: (error: Error) => void;
}

export class Inbox {
  /** Messages that the rules discarded. */
  discarded = 0;

  readonly #limits: InboxLimits;
  readonly #turn: Turn | undefined;
  /** Called to pause (true) reading from all peers, or to resume (false) it from those whose own share is not full. */
  readonly #setPaused: (paused: boolean) => void;
  /** Connections with messages in their `inbox`, in the order of their turn. */
  readonly #sources = new BoundedQueue<Link>(Number.MAX_SAFE_INTEGER);
  readonly #receivers = new Set<Receiver>();
  #messages = 0;
  #bytes = 0;
  #handler: MessagesHandler | undefined;
  #stopped = false;
  #paused = false;
  #pumping = false;
  #closed = false;

  constructor(inboxLimits: InboxLimits, turn: Turn | undefined, setPaused: (paused: boolean) => void) {
    this.#limits = inboxLimits;
    this.#turn = turn;
    this.#setPaused = setPaused;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Takes what a connection received. Calls the handler, whose errors pass through: they are the application's. */
  push(connection: Link, messages: Message[]): void {
    if (this.#closed) return;
    const handler = this.#handler;
    if (
      handler !== undefined &&
      this.#messages === 0 &&
      this.#turn === undefined &&
      !this.#stopped &&
      this.#receivers.size === 0
    ) {
      if (handler(messages) === false) this.#stopped = true;
      return;
    }
    const unread = connection.inbox;
    const bytesBefore = unread.bytes;
    if (unread.size === 0) this.#sources.push(connection);
    for (const message of messages) unread.push(message);
    this.#messages += messages.length;
    this.#bytes += unread.bytes - bytesBefore;
    this.pump();
    this.#judgeShare(connection);
  }

  /** Hands over what can be. To be called when a turn has passed. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#messages > 0 && (this.#turn === undefined || this.#turn.mayTake())) if (!this.#handOver()) break;
    } finally {
      this.#pumping = false;
    }
    this.#judgePause();
  }

  receive(signal?: AbortSignal): Promise<Message> {
    if (this.#closed) return Promise.reject(closedError());
    const refused = this.#turn?.receiveError();
    if (refused !== undefined) return Promise.reject(refused);
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    if (this.#receivers.size === 0) {
      const message = this.#next();
      if (message !== undefined) {
        this.#judgePause();
        return Promise.resolve(message);
      }
    }
    return this.#wait(signal);
  }

  /** What else can be read now, without waiting. */
  takeAll(): Message[] {
    const batch = this.#receivers.size === 0 ? this.#batch() : [];
    this.#judgePause();
    return batch;
  }

  setHandler(handler: MessagesHandler | undefined): void {
    this.#handler = handler;
    this.#stopped = false;
    // Not in here: the caller's own code is still running.
    if (handler !== undefined && this.#messages > 0) queueMicrotask(() => this.pump());
  }

  resume(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    if (this.#messages > 0) queueMicrotask(() => this.pump());
  }

  /** Everyone who waits in `receive` is told. */
  reject(error: Error): void {
    const receivers = [...this.#receivers];
    this.#receivers.clear();
    for (const receiver of receivers) receiver.reject(error);
  }

  /** Lets the rules judge what waits, and throws away what they let pass. */
  skip(): void {
    while (this.#next() !== undefined) this.discarded++;
    this.#judgePause();
  }

  get waiting(): boolean {
    return this.#receivers.size > 0;
  }

  /** What was not read is thrown away. */
  close(): void {
    this.#closed = true;
    this.#handler = undefined;
    this.#messages = 0;
    this.#bytes = 0;
    for (const connection of this.#sources.drain()) connection.inbox.clear();
    this.reject(closedError());
  }

  #handOver(): boolean {
    const [receiver] = this.#receivers;
    if (receiver !== undefined) {
      const message = this.#next();
      if (message === undefined) return false;
      this.#receivers.delete(receiver);
      receiver.resolve(message);
      return true;
    }
    const handler = this.#handler;
    if (handler === undefined || this.#stopped) return false;
    const batch = this.#batch();
    if (batch.length === 0) return false;
    if (handler(batch) === false) this.#stopped = true;
    return true;
  }

  /** Everything that waits; one message where turns are taken. */
  #batch(): Message[] {
    const batch: Message[] = [];
    for (let message = this.#next(); message !== undefined; message = this.#next()) batch.push(message);
    return batch;
  }

  /** The next message in fair order that the rules let pass. */
  #next(): Message | undefined {
    const turn = this.#turn;
    while (this.#messages > 0 && (turn === undefined || turn.mayTake())) {
      const connection = this.#sources.shift();
      if (connection === undefined) return undefined;
      const unread = connection.inbox;
      const bytesBefore = unread.bytes;
      const message = unread.shift();
      if (message === undefined) return undefined;
      this.#messages--;
      this.#bytes -= bytesBefore - unread.bytes;
      if (unread.size > 0) this.#sources.push(connection);
      if (unread.full) this.#judgeShare(connection);
      if (turn === undefined) return message;
      const taken = turn.take(connection, message);
      if (taken !== undefined) return taken;
      this.discarded++;
    }
    return undefined;
  }

  #wait(signal: AbortSignal | undefined): Promise<Message> {
    return new Promise((resolve, reject) => {
      const done = (): void => signal?.removeEventListener("abort", onAbort);
      const receiver: Receiver = {
        resolve: (message) => {
          done();
          resolve(message);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      const onAbort = (): void => {
        this.#receivers.delete(receiver);
        reject(signal?.reason as Error);
      };
      this.#receivers.add(receiver);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** One peer's share: paused at its limit, resumed at half of it. */
  #judgeShare(connection: Link): void {
    const { peerReceiveQueueMessagesMax: messagesMax, peerReceiveQueueBytesMax: bytesMax } = this.#limits;
    const { size, bytes, full } = connection.inbox;
    if (!full && (size >= messagesMax || bytes >= bytesMax)) {
      connection.inbox.full = true;
      connection.pause();
    } else if (full && size * 2 <= messagesMax && bytes * 2 <= bytesMax) {
      connection.inbox.full = false;
      if (!this.#paused) connection.unpause();
    }
  }

  /** The whole queue: pauses at the limit, resumes at half of it. */
  #judgePause(): void {
    const { receiveQueueMessagesMax, receiveQueueBytesMax } = this.#limits;
    if (!this.#paused && (this.#messages >= receiveQueueMessagesMax || this.#bytes >= receiveQueueBytesMax)) {
      this.#paused = true;
      this.#setPaused(true);
    } else if (
      this.#paused &&
      this.#messages * 2 <= receiveQueueMessagesMax &&
      this.#bytes * 2 <= receiveQueueBytesMax
    ) {
      this.#paused = false;
      this.#setPaused(false);
    }
  }
}
