// SUB and XSUB (RFC 29): ask every publisher, also one that connects or comes back later, for the topics subscribed to.
// SUB discards what no topic asks for (any more); XSUB leaves that to its publishers, as libzmq's does.
import type { Link } from "../engine/link.ts";
import type {
  Message,
  Sendable,
  SendResult,
  SocketOptions,
  SubscriberSocket,
  Subscribing,
  XSubscriberSocket,
} from "../types.ts";
import { EncodedMessage } from "../wire/encoded.ts";
import { isSubscription } from "../wire/subscription.ts";
import { BaseSocket, requireFrames } from "./base.ts";
import { TopicTrie } from "./topic-trie.ts";

interface Topic {
  readonly bytes: Uint8Array;
  /** How often it was subscribed to and not taken back. */
  count: number;
}

abstract class SubscribingSocket<T extends "SUB" | "XSUB"> extends BaseSocket<T> implements Subscribing {
  /** By latin1. */
  readonly #topics = new Map<string, Topic>();
  readonly #trie = new TopicTrie<true>();
  protected readonly publishers: Set<Link> = new Set();

  protected constructor(type: T, options: SocketOptions) {
    super(
      type,
      {
        type,
        prefixesMessages: false,
        added: (connection) => {
          this.publishers.add(connection);
          for (const { bytes } of this.#topics.values()) connection.subscription(true, bytes);
        },
        removed: (connection) => {
          this.publishers.delete(connection);
        },
        ...(type === "SUB" ? { accept: (_, messages: Message[]) => this.#filter(messages) } : undefined),
        hasRoom: () => this.hasRoom(),
      },
      options,
    );
  }

  protected abstract hasRoom(): boolean;

  subscribe(...topics: readonly (string | Uint8Array)[]): void {
    for (const each of topics) this.#subscribe(Buffer.from(each as string));
  }

  unsubscribe(...topics: readonly (string | Uint8Array)[]): void {
    for (const each of topics) this.#unsubscribe(Buffer.from(each as string));
  }

  #subscribe(bytes: Buffer): void {
    const name = bytes.toString("latin1");
    const topic = this.#topics.get(name) ?? { bytes, count: 0 };
    topic.count++;
    this.#topics.set(name, topic);
    this.#trie.add(bytes, true);
    // An XSUB may stand for many subscribers, and its publisher may want to hear of each (RFC 29, XPUB `report: "all"`).
    if (topic.count === 1 || this.type === "XSUB")
      for (const publisher of this.publishers) publisher.subscription(true, bytes);
  }

  #unsubscribe(bytes: Buffer): void {
    const name = bytes.toString("latin1");
    const topic = this.#topics.get(name);
    if (topic === undefined || --topic.count > 0) return;
    this.#topics.delete(name);
    this.#trie.remove(bytes, true);
    for (const publisher of this.publishers) publisher.subscription(false, bytes);
  }

  #filter(messages: Message[]): Message[] {
    const trie = this.#trie;
    if (messages.every((message) => trie.matches(message[0] ?? empty))) return messages;
    const wanted = messages.filter((message) => trie.matches(message[0] ?? empty));
    this.hub.inbox.discarded += messages.length - wanted.length;
    return wanted;
  }
}

const empty = new Uint8Array(0);

export class Subscriber extends SubscribingSocket<"SUB"> implements SubscriberSocket {
  constructor(options: SocketOptions) {
    super("SUB", options);
  }

  protected override hasRoom(): boolean {
    return false;
  }

  /** Not in the type: a SUB sends nothing but subscriptions. */
  send(): SendResult {
    return "state";
  }
}

export class XSubscriber extends SubscribingSocket<"XSUB"> implements XSubscriberSocket {
  constructor(options: SocketOptions) {
    super("XSUB", options);
  }

  protected override hasRoom(): boolean {
    for (const publisher of this.publishers) if (publisher.writer.room()) return true;
    return false;
  }

  send(message: Sendable): SendResult {
    const frames = typeof message === "string" || message instanceof Uint8Array ? [message] : message;
    requireFrames(frames);
    const [first] = frames;
    if (frames.length === 1 && first !== undefined) {
      const frame = Buffer.from(first as string);
      if (isSubscription([frame])) {
        if (frame[0] === 1) this.subscribe(frame.subarray(1));
        else this.unsubscribe(frame.subarray(1));
        return "sent";
      }
    }
    return this.#sendToAll(frames);
  }

  #sendToAll(frames: readonly (string | Uint8Array)[]): SendResult {
    if (this.publishers.size === 0) return "no-peer";
    const shared = new EncodedMessage(frames);
    let sent = 0;
    for (const { writer } of this.publishers) {
      if (!writer.room()) continue;
      writer.encoded(shared);
      sent++;
    }
    if (sent === this.publishers.size) return "sent";
    return sent === 0 ? "full" : "partly";
  }
}
