// The socket's events: a typed, synchronous emitter. A listener that throws is the application's bug and is not caught.
import type { SocketEvents } from "../types.ts";

type Listeners = { [E in keyof SocketEvents]: Set<SocketEvents[E]> };

export class Events {
  readonly #listeners: Listeners = {
    connect: new Set(),
    disconnect: new Set(),
    drop: new Set(),
    retry: new Set(),
    giveUp: new Set(),
    slow: new Set(),
  };

  on<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): void {
    this.#listeners[event].add(listener);
  }

  off<E extends keyof SocketEvents>(event: E, listener: SocketEvents[E]): void {
    this.#listeners[event].delete(listener);
  }

  emit<E extends keyof SocketEvents>(event: E, ...args: Parameters<SocketEvents[E]>): void {
    for (const listener of this.#listeners[event])
      (listener as (...args: Parameters<SocketEvents[E]>) => void)(...args);
  }
}
