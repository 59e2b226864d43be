// The reading half of a stream: items that have come and not been taken, within what was granted. Its reader is a handler at the
// service, or the caller's loop at the client. It keeps order, grants as the reader consumes, and ends exactly once.
import { BoundedQueue } from "@wherry/core";
import { streamWindowBytes, streamWindowItems } from "../limits.ts";
import { wirePlace } from "../protocol/frames.ts";

export interface InboxEvents {
  /** The writer may send so much more. */
  readonly grant: (items: number, bytes: number) => void;
  /** The reader wants no more: it left its loop. Called once, and not after the end. */
  readonly left: () => void;
  /** What an item must be; throws, or rejects with, what its reader then gets, after which nothing more comes. */
  readonly check?: ((value: unknown) => unknown) | undefined;
}

interface Arrived {
  readonly value: unknown;
  readonly bytes: number;
}

type Result<Item> = IteratorResult<Item, undefined>;

interface Waiting<Item> {
  readonly resolve: (result: Result<Item> | Promise<Result<Item>>) => void;
  readonly reject: (error: unknown) => void;
}

const done = { done: true, value: undefined } as const;

export class Inbox<Item = unknown> implements AsyncIterableIterator<Item, undefined> {
  readonly #events: InboxEvents;
  readonly #arrived: BoundedQueue<Arrived> = new BoundedQueue(streamWindowItems);
  #heldBytes = 0;
  readonly #waiting: Waiting<Item>[] = [];
  /** What the writer may still send. */
  #items = 0;
  #bytes = 0;
  /** Consumed and not granted again. */
  #owedItems = 0;
  #owedBytes = 0;
  #received: number;
  /** `ended`: the writer said so. `closed`: nobody reads any more; what was under way is dropped. */
  #state: "open" | "ended" | "closed" = "open";
  /** What the reader gets at the end, once. */
  #error: { readonly error: unknown } | undefined;

  /** @param received items that came before: more than a test can send */
  constructor(events: InboxEvents, received = 0) {
    this.#events = events;
    this.#received = received;
  }

  /** Bytes of what waits for its reader. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Tells the writer that it may begin. */
  open(): void {
    this.#grant(streamWindowItems, streamWindowBytes);
  }

  /** May an item come, and is it this one's turn? */
  takes(place: number): boolean {
    return place === wirePlace(this.#received + 1) && this.#items > 0 && this.#bytes > 0;
  }

  /** Takes an item in. @returns false when it is out of place or beyond what was granted. */
  push(place: number, value: unknown, bytes: number): boolean {
    if (!this.takes(place)) return false;
    this.#received++;
    this.#items--;
    this.#bytes -= bytes;
    if (this.#state !== "open") return this.#state === "closed";
    const reader = this.#waiting.shift();
    if (reader !== undefined) this.#hand({ value, bytes }, reader);
    else if (this.#arrived.push({ value, bytes })) this.#heldBytes += bytes;
    else return false;
    return true;
  }

  /** Nothing more comes: the reader gets what is here, and then the end, or the error. Only the first time. */
  end(error?: unknown): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    if (error !== undefined) this.#error = { error };
    for (const reader of this.#waiting.splice(0)) this.#finish(reader);
  }

  /** What is here is dropped, and its reader told at once. */
  break(error: unknown): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#error = { error };
    this.#drop();
    for (const reader of this.#waiting.splice(0)) this.#finish(reader);
  }

  next(): Promise<Result<Item>> {
    return new Promise((resolve, reject) => {
      const reader = { resolve, reject };
      const oldest = this.#arrived.shift();
      if (oldest !== undefined) {
        this.#heldBytes -= oldest.bytes;
        this.#hand(oldest, reader);
      } else if (this.#state === "open") this.#waiting.push(reader);
      else this.#finish(reader);
    });
  }

  /** The reader leaves its loop. */
  return(): Promise<Result<Item>> {
    this.#leave();
    for (const reader of this.#waiting.splice(0)) reader.resolve(done);
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #leave(): void {
    const wasOpen = this.#state === "open";
    this.#state = "closed";
    this.#error = undefined;
    this.#drop();
    if (wasOpen) this.#events.left();
  }

  #drop(): void {
    this.#arrived.drain();
    this.#heldBytes = 0;
  }

  /** Consumed: half a window's worth is granted again together, so that a grant is rare and the writer never stands still. */
  #hand({ value, bytes }: Arrived, reader: Waiting<Item>): void {
    this.#owedItems++;
    this.#owedBytes += bytes;
    if (
      this.#state === "open" &&
      (this.#owedItems > streamWindowItems / 2 || this.#owedBytes >= streamWindowBytes / 2)
    ) {
      const [items, owed] = [this.#owedItems, this.#owedBytes];
      this.#owedItems = this.#owedBytes = 0;
      this.#grant(items, owed);
    }
    this.#checked(value, reader);
  }

  #checked(value: unknown, { resolve, reject }: Waiting<Item>): void {
    const { check } = this.#events;
    const refused = (error: unknown): void => {
      this.#leave();
      reject(error);
    };
    if (check === undefined) {
      resolve({ done: false, value: value as Item });
      return;
    }
    try {
      const valid = check(value);
      if (valid instanceof Promise) valid.then((settled) => resolve({ done: false, value: settled as Item }), refused);
      else resolve({ done: false, value: valid as Item });
    } catch (error) {
      refused(error);
    }
  }

  #grant(items: number, bytes: number): void {
    this.#items += items;
    this.#bytes += bytes;
    this.#events.grant(items, bytes);
  }

  #finish({ resolve, reject }: Waiting<Item>): void {
    if (this.#error === undefined) {
      resolve(done);
      return;
    }
    const { error } = this.#error;
    // An iterator throws once, and then is done.
    this.#error = undefined;
    reject(error);
  }
}
