// One end of a pair, whosever it is: ours, zeromq.js's or pyzmq's, all with one face.
import "../leftovers.suite.ts";
import { expect } from "vitest";
import * as zmq from "zeromq";
import * as zmtp from "../index.ts";
import type { SocketName } from "./cases.suite.ts";
import type { Python } from "./python.suite.ts";

export type Frames = readonly Uint8Array[];

export interface End {
  /** @returns the endpoint that was taken. */
  bind(endpoint: string): Promise<string>;
  connect(endpoint: string): unknown;
  send(frames: Frames): Promise<void>;
  /** Sends if it can be sent at once. */
  offer(frames: Frames): Promise<boolean>;
  receive(): Promise<Frames>;
  subscribe(topic: string): unknown;
  unsubscribe(topic: string): unknown;
  close(): unknown;
}

export const waitMs = 60_000;

export class Ours implements End {
  readonly socket: zmtp.AnySocket & Partial<Pick<zmtp.Socket, "send" | "receive" | "writable"> & zmtp.Subscribing>;

  constructor(type: SocketName, options: zmtp.SocketOptions) {
    this.socket = makers[type]({ messageBytesMax: 200_000_000, reconnect: { firstMs: 1, maxMs: 10 }, ...options });
  }

  bind(endpoint: string): Promise<string> {
    return this.socket.bind(endpoint);
  }

  connect(endpoint: string): void {
    this.socket.connect(endpoint);
  }

  async send(frames: Frames): Promise<void> {
    if (this.socket.type === "ROUTER") {
      // It says `no-peer` until that peer has connected.
      await expect.poll(() => this.socket.send?.(frames), { interval: 5 }).toBe("sent");
      return;
    }
    // A publisher says `no-peer` until somebody has subscribed.
    const isPublisher = /PUB/.test(this.socket.type);
    for (let answer = this.socket.send?.(frames); answer !== "sent"; answer = this.socket.send?.(frames)) {
      if (isPublisher && answer === "no-peer") return;
      await this.socket.writable?.(AbortSignal.timeout(waitMs));
    }
  }

  offer(frames: Frames): Promise<boolean> {
    return Promise.resolve(this.socket.send?.(frames) === "sent");
  }

  async receive(): Promise<Frames> {
    return (await this.socket.receive?.(AbortSignal.timeout(waitMs))) ?? [];
  }

  subscribe(topic: string): void {
    this.socket.subscribe?.(topic);
  }

  unsubscribe(topic: string): void {
    this.socket.unsubscribe?.(topic);
  }

  close(): unknown {
    return this.socket.close({ lingerMs: 50 });
  }
}

const makers = {
  REQ: zmtp.request,
  REP: zmtp.reply,
  DEALER: zmtp.dealer,
  ROUTER: zmtp.router,
  PUB: zmtp.publisher,
  SUB: zmtp.subscriber,
  XPUB: zmtp.xpublisher,
  XSUB: zmtp.xsubscriber,
  PUSH: zmtp.push,
  PULL: zmtp.pull,
  PAIR: zmtp.pair,
};

export class Native implements End {
  readonly socket: zmq.Socket & { send?: (frames: Buffer[]) => Promise<void>; receive?: () => Promise<Buffer[]> };

  constructor(type: SocketName, options: object) {
    const socket = new natives[type]({ linger: 0, ...options });
    if ("receiveTimeout" in socket) socket.receiveTimeout = waitMs;
    this.socket = socket;
  }

  async bind(endpoint: string): Promise<string> {
    await this.socket.bind(endpoint);
    return this.socket.lastEndpoint ?? "";
  }

  connect(endpoint: string): void {
    this.socket.connect(endpoint);
  }

  async send(frames: Frames): Promise<void> {
    await this.socket.send?.(frames as Buffer[]);
  }

  async offer(frames: Frames): Promise<boolean> {
    if ("sendTimeout" in this.socket) this.socket.sendTimeout = 0;
    return await this.send(frames).then(
      () => true,
      () => false,
    );
  }

  async receive(): Promise<Frames> {
    return (await this.socket.receive?.()) ?? [];
  }

  subscribe(topic: string): unknown {
    if (this.socket instanceof zmq.Subscriber) this.socket.subscribe(topic);
    return this.socket instanceof zmq.XSubscriber ? this.socket.send(`\u0001${topic}`) : undefined;
  }

  unsubscribe(topic: string): unknown {
    if (this.socket instanceof zmq.Subscriber) this.socket.unsubscribe(topic);
    return this.socket instanceof zmq.XSubscriber ? this.socket.send(`\u0000${topic}`) : undefined;
  }

  close(): unknown {
    this.socket.close();
    return undefined;
  }
}

const natives = {
  REQ: zmq.Request,
  REP: zmq.Reply,
  DEALER: zmq.Dealer,
  ROUTER: zmq.Router,
  PUB: zmq.Publisher,
  SUB: zmq.Subscriber,
  XPUB: zmq.XPublisher,
  XSUB: zmq.XSubscriber,
  PUSH: zmq.Push,
  PULL: zmq.Pull,
  PAIR: zmq.Pair,
};

let pythonSockets = 0;

export class Pyzmq implements End {
  readonly #python: Python;
  readonly #id = ++pythonSockets;
  readonly #opened: Promise<unknown>;

  constructor(python: Python, type: SocketName, options: object) {
    this.#python = python;
    this.#opened = python.ask("open", this.#id, [], { type, ...options });
    // Told by what is asked of it first.
    this.#opened.catch(() => undefined);
  }

  async bind(endpoint: string): Promise<string> {
    return String((await this.#ask("bind", [endpoint]))[0]);
  }

  connect(endpoint: string): unknown {
    return this.#ask("connect", [endpoint]);
  }

  async send(frames: Frames): Promise<void> {
    await this.#ask("send", frames);
  }

  async offer(frames: Frames): Promise<boolean> {
    return String(await this.#ask("offer", frames)) === "yes";
  }

  receive(): Promise<Frames> {
    return this.#ask("receive");
  }

  subscribe(topic: string): unknown {
    return this.#ask("subscribe", [topic]);
  }

  unsubscribe(topic: string): unknown {
    return this.#ask("unsubscribe", [topic]);
  }

  close(): unknown {
    return this.#ask("close");
  }

  async #ask(what: string, frames: readonly (string | Uint8Array)[] = []): Promise<Buffer[]> {
    await this.#opened;
    return await this.#python.ask(what, this.#id, frames);
  }
}
