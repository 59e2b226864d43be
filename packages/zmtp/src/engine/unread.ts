// What one peer has sent and the reader has not taken: messages in order, and how many bytes they are. Sets no limit and pauses nobody; the
// inbox does.
import { BoundedQueue } from "@wherry/core";
import type { Message } from "../types.ts";

export class Unread {
  bytes = 0;
  /** The peer's share of the reader's queue is used up: reading from it alone is paused (kept by the inbox). */
  full = false;
  /** Made when the first message has to wait: most peers of most sockets never need it. */
  #messages: BoundedQueue<Message> | undefined;

  get size(): number {
    return this.#messages?.size ?? 0;
  }

  push(message: Message): void {
    this.#messages ??= new BoundedQueue(Number.MAX_SAFE_INTEGER);
    this.#messages.push(message);
    this.bytes += bytesOf(message);
  }

  shift(): Message | undefined {
    const message = this.#messages?.shift();
    if (message !== undefined) this.bytes -= bytesOf(message);
    return message;
  }

  some(condition: (message: Message) => boolean): boolean {
    if (this.#messages !== undefined) for (const message of this.#messages) if (condition(message)) return true;
    return false;
  }

  clear(): void {
    this.#messages = undefined;
    this.bytes = 0;
  }
}

function bytesOf(message: Message): number {
  let bytes = 0;
  for (const frame of message) bytes += frame.length;
  return bytes;
}
