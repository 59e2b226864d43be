// The public face that all socket types share; each type adds `send`. It only delegates.
import { messageInvalid, stateError } from "../errors.ts";
import { Hub, type Pattern } from "../engine/hub.ts";
import type { Turn } from "../engine/inbox.ts";
import { defaults } from "../limits.ts";
import type {
  BatchResult,
  DrainResult,
  Message,
  Peer,
  ReceivingSocket,
  Sendable,
  SendingSocket,
  SendResult,
  SocketCounters,
  SocketEvents,
  SocketOptions,
  SocketType,
} from "../types.ts";
import { WherryError } from "@wherry/core";

export abstract class BaseSocket<T extends SocketType> implements SendingSocket, ReceivingSocket {
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

  bind(endpoint: string, signal?: AbortSignal): Promise<string> {
    return this.hub.bind(endpoint, signal);
  }

  stopAccepting(): Promise<void> {
    this.hub.stopAccepting();
    return Promise.resolve();
  }

  connect(endpoint: string, signal?: AbortSignal): void {
    this.hub.connect(endpoint, signal);
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

  async receiveBatch(signal?: AbortSignal): Promise<readonly Message[]> {
    const first = await this.hub.inbox.receive(signal);
    return [first, ...this.hub.inbox.takeAll()];
  }

  async *batches(signal?: AbortSignal): AsyncGenerator<readonly Message[], undefined> {
    while (!this.closed) {
      const batch = await unlessClosed(this.receiveBatch(signal));
      if (batch === undefined) return;
      yield batch;
    }
  }

  sendBatch(messages: readonly Sendable[]): BatchResult {
    let accepted = 0;
    for (const message of messages) {
      const result = this.send(message);
      if (result !== "sent") return { accepted, result };
      accepted++;
    }
    return { accepted, result: "sent" };
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

  drain(options: { readonly deadlineMs: number; readonly signal?: AbortSignal }): Promise<DrainResult> {
    return this.hub.drain(options.deadlineMs, options.signal);
  }

  close(options?: {
    readonly lingerMs?: number;
    readonly signal?: AbortSignal;
  }): Promise<{ readonly undelivered: number }> {
    this.#closing ??= this.hub.close(options?.lingerMs ?? defaults.lingerMs, options?.signal);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [Symbol.dispose](): void {
    void this.close();
  }

  /** Messages until the socket is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, undefined> {
    while (!this.closed) {
      const message = await unlessClosed(this.receive());
      if (message === undefined) return;
      yield message;
    }
  }
}

async function unlessClosed<T>(received: Promise<T>): Promise<T | undefined> {
  try {
    return await received;
  } catch (error) {
    if (WherryError.is(error, "ZMTP_CLOSED")) return undefined;
    throw error;
  }
}

/** For a socket type that never receives: what comes all the same is not given to anybody. */
export function noReceiving(type: SocketType): Turn {
  return {
    mayTake: () => true,
    take: () => undefined,
    receiveError: () => stateError(`a ${type} socket does not receive`),
  };
}

/**
 * Before anything of it is written: half a message in the stream would take the next one with it.
 * @throws WherryError `ZMTP_MESSAGE_INVALID` for a message without frames, or of what is none: the caller's mistake.
 */
export function requireFrames(message: readonly unknown[]): void {
  if (!Array.isArray(message))
    throw messageInvalid(`expected text, a Uint8Array or an array of them, got ${kindOf(message)}`);
  if (message.length === 0) throw messageInvalid("it has no frame");
  for (let index = 0; index < message.length; index++) {
    const frame: unknown = message[index];
    // Not `instanceof`: an array of another realm (a test runner's, a vm's) is as good.
    if (typeof frame !== "string" && (frame as Uint8Array | null | undefined)?.BYTES_PER_ELEMENT !== 1)
      throw messageInvalid(`frame ${index}: expected text or a Uint8Array, got ${kindOf(frame)}`);
  }
}

function kindOf(value: unknown): string {
  return typeof value === "object" && value !== null ? value.constructor.name : String(value);
}
