// The public face that all socket types share; each type adds `send`. It only delegates.
import { messageInvalid } from "../errors.ts";
import { Hub, type Pattern } from "../engine/hub.ts";
import { defaults } from "../limits.ts";
import type {
  Message,
  Peer,
  Sendable,
  SendResult,
  Socket,
  SocketCounters,
  SocketEvents,
  SocketOptions,
} from "../types.ts";
import { WherryError } from "@wherry/core";

export abstract class BaseSocket<T extends Socket["type"]> implements Socket {
  readonly type: T;
  protected readonly hub: Hub;
  #closing: Promise<{ readonly undelivered: number }> | undefined;

  protected constructor(type: T, pattern: Pattern, options: SocketOptions) {
    this.type = type;
    this.hub = new Hub(pattern, options);
  }

  abstract send(message: Sendable): SendResult;

  get peers(): ReadonlyMap<number, Peer> {
    return this.hub.peers;
  }

  get counters(): SocketCounters {
    return this.hub.counters;
  }

  get closed(): boolean {
    return this.hub.closed;
  }

  bind(endpoint: string): Promise<string> {
    return this.hub.bind(endpoint);
  }

  stopAccepting(): Promise<void> {
    this.hub.stopAccepting();
    return Promise.resolve();
  }

  connect(endpoint: string): void {
    this.hub.connect(endpoint);
  }

  disconnect(endpoint: string): void {
    this.hub.disconnect(endpoint);
  }

  writable(signal?: AbortSignal): Promise<void> {
    return this.hub.writable(signal);
  }

  receive(signal?: AbortSignal): Promise<Message> {
    return this.hub.inbox.receive(signal);
  }

  onMessages(handler: ((messages: readonly Message[]) => boolean | undefined) | undefined): void {
    this.hub.inbox.setHandler(handler);
  }

  resume(): void {
    this.hub.inbox.resume();
  }

  on<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): void {
    this.hub.events.on(event, listener);
  }

  off<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): void {
    this.hub.events.off(event, listener);
  }

  close(options?: { readonly lingerMs?: number }): Promise<{ readonly undelivered: number }> {
    this.#closing ??= this.hub.close(options?.lingerMs ?? defaults.lingerMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Messages until the socket is closed. */
  async *[Symbol.asyncIterator](): AsyncIterator<Message> {
    while (!this.closed) {
      let message: Message;
      try {
        message = await this.receive();
      } catch (error) {
        if (WherryError.is(error, "ZMTP_CLOSED")) return;
        throw error;
      }
      yield message;
    }
  }
}

/** @throws WherryError `ZMTP_MESSAGE_INVALID` for a message without frames: the caller's mistake. */
export function requireFrames(message: readonly unknown[]): void {
  if (message.length === 0) throw messageInvalid("it has no frame");
}
