// The part of a child that counts and measures, the same for every library in Node.
import { setTimeout as sleep } from "node:timers/promises";
import type { Count, EchoClient } from "./types.ts";

/** A run takes no longer than this for want of replies. */
const slowMs = 2_000;

/** Keeps a number of requests outstanding and counts replies. */
export class EchoDriver {
  client: EchoClient | undefined;
  #replies = 0;
  #outstanding = 0;
  /** Replies after which nothing more is asked. */
  #until = 0;
  #onDrained: (() => void) | undefined;

  readonly onReplies = (count: number): void => {
    this.#replies += count;
    const more = Math.min(count, this.#until - this.#replies - (this.#outstanding - count));
    this.#outstanding -= count;
    if (more > 0) this.#send(more);
    else if (this.#outstanding === 0) this.#onDrained?.();
  };

  /**
   * A steady number of requests outstanding; counted between two points of time, both while it is steady. Replies may come
   * in bursts of all that is outstanding: the time is long enough for one, within reason.
   */
  async echo(outstanding: number, warmupMs: number, measureMs: number): Promise<Count> {
    const drained = this.#start(outstanding, Infinity);
    await sleep(warmupMs);
    const before = this.#replies;
    const startMs = performance.now();
    await sleep(measureMs);
    while (this.#replies - before < outstanding && performance.now() - startMs < slowMs) await sleep(1);
    const messages = this.#replies - before;
    const elapsedMs = performance.now() - startMs;
    this.#until = 0;
    await drained;
    return { messages, elapsedMs, total: this.#replies };
  }

  async count(outstanding: number, messages: number): Promise<Count> {
    const startMs = performance.now();
    await this.#start(Math.min(outstanding, messages), messages);
    return { messages, elapsedMs: performance.now() - startMs };
  }

  #start(outstanding: number, messages: number): Promise<void> {
    this.#replies = 0;
    this.#until = messages;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#onDrained = () => resolve(undefined);
    this.#send(outstanding);
    return promise;
  }

  #send(count: number): void {
    this.#outstanding += count;
    this.client?.send(count);
  }
}

/** Counts what arrives. */
export class Arrivals {
  #messages = 0;

  readonly onMessages = (count: number): void => {
    this.#messages += count;
  };

  async window(warmupMs: number, measureMs: number): Promise<Count> {
    await sleep(warmupMs);
    const before = this.#messages;
    const startMs = performance.now();
    await sleep(measureMs);
    return { messages: this.#messages - before, elapsedMs: performance.now() - startMs };
  }

  async await(messages: number): Promise<Count> {
    const startMs = performance.now();
    for (let last = -1; this.#messages < messages && this.#messages !== last; ) {
      last = this.#messages;
      for (let tries = 0; tries < 50 && this.#messages === last; tries++) await sleep(10);
    }
    return { messages: this.#messages, elapsedMs: performance.now() - startMs };
  }
}

/** `send`, again and again until stopped. `send` resolves when the next may follow, and tells how many it sent. */
export class Stream {
  readonly endpoint: string;
  readonly #send: () => Promise<number>;
  #sent = 0;
  #running = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(endpoint: string, send: () => Promise<number>) {
    this.endpoint = endpoint;
    this.#send = send;
  }

  start(): void {
    this.#running = true;
    this.#loop = this.#run();
  }

  async stop(): Promise<number> {
    this.#running = false;
    await this.#loop;
    return this.#sent;
  }

  async #run(): Promise<void> {
    while (this.#isRunning()) this.#sent += await this.#send();
  }

  #isRunning(): boolean {
    return this.#running;
  }
}

/** @throws when a body is not as long as the row says: then something else was measured. */
export function checkSize(body: Uint8Array | undefined, bytes: number): void {
  if (body?.length !== bytes)
    throw new Error(`expected a body of ${bytes} bytes, got ${body?.length ?? "none"}; the figures would be wrong`);
}
