// Which peer has subscribed to what (RFC 29), for a publisher. Remembers each peer's topics, to take them back when it leaves, and
// to hold it to the limits.
import type { Link } from "../engine/link.ts";
import { limits } from "../limits.ts";
import type { Problem } from "../wire/problem.ts";
import { subscriptionFrame } from "../wire/subscription.ts";
import { TopicTrie } from "./topic-trie.ts";

interface Topics {
  /** As latin1. */
  readonly names: Set<string>;
  bytes: number;
}

export class Subscriptions {
  readonly trie: TopicTrie<Link> = new TopicTrie();
  readonly #topics = new Map<Link, Topics>();

  /** Peers with at least one subscription. */
  get peers(): Iterable<Link> {
    return this.#topics.keys();
  }

  /**
   * Takes a subscription frame. @returns whether it is the topic's first or last, and so news; or that the peer
   * wants too much.
   */
  apply(connection: Link, frame: Uint8Array): boolean | Problem {
    const topic = frame.subarray(1);
    return frame[0] === 1 ? this.#add(connection, topic) : this.#remove(connection, topic);
  }

  #add(connection: Link, topic: Uint8Array): boolean | Problem {
    const topics = this.#topics.get(connection) ?? { names: new Set(), bytes: 0 };
    const name = Buffer.from(topic).toString("latin1");
    if (topics.names.has(name)) return false;
    const { peerSubscriptionsMax, peerSubscriptionBytesMax } = limits;
    if (topics.names.size >= peerSubscriptionsMax || topics.bytes + topic.length > peerSubscriptionBytesMax)
      return {
        reason: "too-many-subscriptions",
        detail: `more than ${peerSubscriptionsMax} topics, or ${peerSubscriptionBytesMax} bytes of them`,
      };
    topics.names.add(name);
    topics.bytes += topic.length;
    this.#topics.set(connection, topics);
    return this.trie.add(topic, connection);
  }

  #remove(connection: Link, topic: Uint8Array): boolean {
    const topics = this.#topics.get(connection);
    if (topics?.names.delete(Buffer.from(topic).toString("latin1")) !== true) return false;
    topics.bytes -= topic.length;
    if (topics.names.size === 0) this.#topics.delete(connection);
    return this.trie.remove(topic, connection);
  }

  /** A peer has left. @returns a frame `00 topic` for each topic that it was the last to want. */
  forget(connection: Link): Uint8Array[] {
    const last: Uint8Array[] = [];
    for (const name of this.#topics.get(connection)?.names ?? []) {
      const topic = Buffer.from(name, "latin1");
      if (this.trie.remove(topic, connection)) last.push(subscriptionFrame(false, topic));
    }
    this.#topics.delete(connection);
    return last;
  }
}
