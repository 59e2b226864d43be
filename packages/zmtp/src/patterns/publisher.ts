// PUB and XPUB (RFC 29): a message goes to every peer that subscribed to the beginning of its first frame, encoded once for all.
// A subscriber whose queue is full misses it, seen by the answer, an event and counters; nobody waits for it.
import type { Link } from "../engine/link.ts";
import { optionInvalid } from "../errors.ts";
import type {
  BatchResult,
  Message,
  PublisherSocket,
  Sendable,
  SendResult,
  XPublisherOptions,
  XPublisherSocket,
} from "../types.ts";
import { EncodedMessage } from "../wire/encoded.ts";
import { isSubscription } from "../wire/subscription.ts";
import { BaseSocket, noReceiving, requireFrames } from "./base.ts";
import { Subscriptions } from "./subscriptions.ts";

abstract class Publishing<T extends "PUB" | "XPUB"> extends BaseSocket<T> {
  readonly #subscriptions = new Subscriptions();
  readonly #refuse: boolean;
  readonly #reportsAll: boolean;
  /** The peers of the message that is being sent; kept for its memory. */
  readonly #matched: Link[] = [];
  #publication = 0;

  protected constructor(type: T, options: XPublisherOptions) {
    const { onSlow = "drop", report = "changes" } = options;
    if (!["drop", "refuse"].includes(onSlow)) throw optionInvalid("onSlow", '"drop" or "refuse"', onSlow);
    if (!["changes", "all"].includes(report)) throw optionInvalid("report", '"changes" or "all"', report);
    super(
      type,
      {
        type,
        prefixesMessages: false,
        takesSubscriptions: true,
        ...(type === "PUB" ? { turn: noReceiving(type) } : undefined),
        added: () => undefined,
        removed: (connection) => this.#forget(connection),
        accept: (connection, messages) => this.#accept(connection, messages),
        hasRoom: () => this.#hasRoom(),
      },
      options,
    );
    this.#refuse = onSlow === "refuse";
    this.#reportsAll = report === "all";
  }

  send(message: Sendable): SendResult {
    const frames = typeof message === "string" || message instanceof Uint8Array ? [message] : message;
    requireFrames(frames);
    const matched = this.#matched;
    matched.length = 0;
    this.#publication++;
    const topic = frames[0] ?? "";
    this.#subscriptions.trie.match(typeof topic === "string" ? Buffer.from(topic) : topic, this.#onMatch);
    if (matched.length === 0) return "no-peer";
    if (this.#refuse && !matched.every((peer) => peer.writer.room())) return "full";
    return this.#sendTo(matched, frames);
  }

  /** Goes on after a message that not everybody got. */
  override sendBatch(messages: readonly Sendable[]): BatchResult {
    let accepted = 0;
    let worst: SendResult = "sent";
    for (const message of messages) {
      const result = this.send(message);
      if (result === "full" && this.#refuse) return { accepted, result };
      accepted++;
      if (severity[result] > severity[worst]) worst = result;
    }
    return { accepted, result: worst };
  }

  readonly #onMatch = (peer: Link): void => {
    // A peer that several of its topics match gets the message once.
    if (peer.matched === this.#publication) return;
    peer.matched = this.#publication;
    this.#matched.push(peer);
  };

  #sendTo(peers: readonly Link[], frames: readonly (string | Uint8Array)[]): SendResult {
    const shared = peers.length > 1 ? new EncodedMessage(frames) : undefined;
    const { length } = peers;
    let sent = 0;
    let slowed: Link[] | undefined;
    for (const peer of peers) {
      if (!peer.writer.room()) {
        if (!peer.slow) (slowed ??= []).push(peer);
        peer.slow = true;
        peer.missedMessages++;
        continue;
      }
      sent++;
      peer.slow = false;
      if (shared === undefined) peer.writer.message(frames, 0);
      else peer.writer.encoded(shared);
    }
    // Last, because a listener may send in turn.
    for (const peer of slowed ?? []) this.hub.events.emit("slow", peer);
    if (sent === length) return "sent";
    return sent === 0 ? "full" : "partly";
  }

  /** Would somebody get a message? With `refuse`: would everybody? */
  #hasRoom(): boolean {
    let some = false;
    for (const peer of this.#subscriptions.peers) {
      const room = peer.writer.room();
      if (this.#refuse && !room) return false;
      some ||= room;
    }
    return some;
  }

  #accept(connection: Link, messages: Message[]): Message[] {
    const given: Message[] = [];
    for (const message of messages) {
      if (this.#isNews(connection, message)) given.push(message);
    }
    this.hub.roomChanged();
    if (this.type === "XPUB") return given;
    this.hub.inbox.discarded += given.filter((message) => !isSubscription(message)).length;
    return [];
  }

  /** Is the message for an XPUB's reader? */
  #isNews(connection: Link, message: Message): boolean {
    const [frame] = message;
    if (frame === undefined || !isSubscription(message)) return true;
    if (!connection.ready) return false;
    const news = this.#subscriptions.apply(connection, frame);
    if (typeof news === "boolean") return news || this.#reportsAll;
    connection.drop(news);
    return false;
  }

  #forget(connection: Link): void {
    const last = this.#subscriptions.forget(connection);
    if (this.type !== "XPUB" || last.length === 0) return;
    // Not while the connection is being taken down: the reader's code runs last.
    process.nextTick(() =>
      this.hub.inbox.push(
        connection,
        last.map((frame) => [frame]),
      ),
    );
  }
}

const severity: Readonly<Record<SendResult, number>> = { sent: 0, "no-peer": 1, partly: 2, full: 3, state: 4 };

export class Publisher extends Publishing<"PUB"> implements PublisherSocket {
  constructor(options: XPublisherOptions) {
    super("PUB", options);
  }
}

export class XPublisher extends Publishing<"XPUB"> implements XPublisherSocket {
  constructor(options: XPublisherOptions) {
    super("XPUB", options);
  }
}
