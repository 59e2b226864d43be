// A pod's pulls of one queue: as many requests for one message are open as it has room. Stopping lets what is on the wire arrive,
// and hands it back at once; a message that is being worked on is kept from others by a sign of life.
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import type { Clock, Timer } from "@wherry/core";
import {
  brokerAckWaitMs,
  brokerConfirmMs,
  brokerPullMs,
  brokerReconnectFirstMs,
  brokerReconnectMaxMs,
} from "../../limits.ts";
import { header, messageOf, numberOf } from "../headers.ts";
import type { BrokerConsumer, ConsumeOptions, DeadReason, Delivery } from "../types.ts";
import { hasNoListener } from "./connection.ts";
import type { Finished } from "./finished.ts";
import { consumerName, type DeliveryFacts, factsOf, textsOf, workStream } from "./names.ts";

/** What the server answers to a request in place of a message, in its header. */
const statusOf = { timedOut: 408, conflict: 409, nobody: 503 } as const;

export interface NatsConsumerOptions extends ConsumeOptions {
  readonly queue: string;
  readonly connection: NatsConnection;
  /** A subject that is this consumer's own. */
  readonly inbox: string;
  readonly clock: Clock;
  readonly finished: Finished;
  /** When the message of that sequence was stored, milliseconds since the epoch; undefined: there is none. Rejects while nobody answers. */
  readonly storedAt: (seq: number) => Promise<number | undefined>;
  /** Does the server still have the consumer that this one pulls from? Rejects while nobody answers. */
  readonly isThere: () => Promise<boolean>;
  /** Deletes a message that is done, as there is nobody to take its acknowledgement. Rejects while nobody answers. */
  readonly remove: (facts: DeliveryFacts) => Promise<boolean>;
  /** It has not: another must take this one's place. */
  readonly gone: () => void;
  /** Stores a dead letter; resolves to false when it could not be. */
  readonly bury: (message: Msg, reason: DeadReason, count: number) => Promise<boolean>;
  /** Stores a copy that comes at once, with so many deliveries behind it; of two with the same id, one. */
  readonly again: (message: Msg, count: number, id: string) => Promise<boolean>;
}

export class NatsConsumer implements BrokerConsumer {
  readonly #options: NatsConsumerOptions;
  readonly #subscription: Subscription;
  readonly #out: Set<Msg> = new Set();
  /** Of what came after `stop`. */
  readonly #handingBack: Set<Promise<unknown>> = new Set();
  #asked = 0;
  #lastPullMs = 0;
  #stopped: Promise<void> | undefined;
  readonly #timer: Timer[] = [];
  /** Settlements that the server has not answered; each is called when it is back. */
  readonly #unanswered: Set<() => void> = new Set();
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers();
  #checking: Promise<void> | undefined;
  /** The server's consumer is not there any more. */
  #lost = false;

  constructor(options: NatsConsumerOptions) {
    this.#options = options;
    this.#subscription = options.connection.subscribe(options.inbox, {
      callback: (error, message) => this.#arrived(error, message),
    });
    this.#every(brokerAckWaitMs / 3, () => this.#signOfLife());
    this.#every(brokerPullMs / 4, () => this.#askAnew());
    this.#ask();
    void options.connection.closed().then(() => this.#break());
  }

  /** Resolves when the server has lost its consumer, or the connection is closed for good. What is out can be settled as far as that goes. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  #break(): void {
    this.#stopped ??= Promise.resolve();
    for (const timer of this.#timer) timer.cancel();
    this.#subscription.unsubscribe();
    this.#ended.resolve();
  }

  get queue(): string {
    return this.#options.queue;
  }

  get outstanding(): number {
    return this.#out.size;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#drain();
    return this.#stopped;
  }

  /** Draining takes what the server has sent already; `#arrived` hands it back. */
  async #drain(): Promise<void> {
    await this.#subscription.drain().catch(() => undefined);
    await Promise.all(this.#handingBack);
  }

  /** What is still out goes back at once. */
  async end(): Promise<void> {
    await this.stop();
    for (const timer of this.#timer) timer.cancel();
    await Promise.all([...this.#out].map((message) => this.#settle(message, "-NAK")));
  }

  #every(intervalMs: number, work: () => void): void {
    const index = this.#timer.length;
    const again = (): void => {
      this.#timer[index] = this.#options.clock.timer(
        intervalMs,
        () => {
          work();
          again();
        },
        { background: true },
      );
    };
    again();
  }

  #ask(): void {
    const { connection, queue, prefetch, clock, inbox } = this.#options;
    if (this.#stopped !== undefined || connection.isClosed()) return;
    while (this.#asked + this.#out.size < prefetch) {
      this.#asked++;
      this.#lastPullMs = clock.monotonic();
      const request = JSON.stringify({ batch: 1, expires: brokerPullMs * 1_000_000 });
      connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${workStream(queue)}.${consumerName}`, request, { reply: inbox });
    }
  }

  /** Requests that a server forgot, because it was restarted, are made again after their time. */
  #askAnew(): void {
    if (this.#options.clock.monotonic() - this.#lastPullMs > brokerPullMs * 1.5) this.#asked = 0;
    this.#ask();
  }

  /** After a reconnect the server knows of no request, and may not have heard of what was settled. */
  reconnected(): void {
    for (const again of this.#unanswered) again();
    this.#asked = 0;
    this.#ask();
  }

  #arrived(error: Error | null, message: Msg): void {
    if (error !== null) return;
    this.#asked = Math.max(0, this.#asked - 1);
    const facts = factsOf(message);
    // No message but a status: the request's time is over, or the server is leaving.
    if (facts === undefined) {
      const { code } = message.headers ?? {};
      if (code === statusOf.timedOut) this.#ask();
      if (code === statusOf.nobody || code === statusOf.conflict) void this.#check();
      return;
    }
    this.#out.add(message);
    const headers = textsOf(message.headers);
    const count = numberOf(headers, header.count) + facts.count;
    if (this.#stopped !== undefined) {
      this.#handingBack.add(this.#release(message, facts, count));
      return;
    }
    const delivery: Delivery = {
      ...messageOf(headers, message.data),
      ...{ id: facts.seq, count, publishedMs: numberOf(headers, header.published) || facts.storedMs },
      ack: () => this.#settle(message, "+ACK"),
      retry: (delayMs) =>
        this.#settle(message, delayMs > 0 ? `-NAK {"delay":${Math.ceil(delayMs) * 1_000_000}}` : "-NAK"),
      release: () => this.#release(message, facts, count),
      deadLetter: (reason) => this.#replaced(message, this.#options.bury(message, reason, count)),
    };
    this.#options.deliver(delivery);
  }

  /** Nobody took a request, or it was ended: the server starts or leaves, or somebody deleted the consumer. */
  #check(): Promise<void> {
    this.#checking ??= this.#look().finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  async #look(): Promise<void> {
    if (this.#lost || (await this.#options.isThere().catch(() => true))) return;
    this.#lost = true;
    // One that has stopped needs no other in its place.
    if (this.#stopped !== undefined) return;
    this.#options.gone();
    this.#break();
  }

  /** JetStream counts a message that goes back as delivered, so a copy takes its place. */
  #release(message: Msg, { seq, count: delivered }: DeliveryFacts, count: number): Promise<boolean> {
    return this.#replaced(message, this.#options.again(message, count - 1, `release ${seq} ${delivered}`));
  }

  /** First the copy is stored, then the message is finished: in between it is in both places, never in none. */
  async #replaced(message: Msg, stored: Promise<boolean>): Promise<boolean> {
    return this.#settle(message, (await stored) ? "+TERM" : "-NAK");
  }

  async #settle(message: Msg, how: string): Promise<boolean> {
    if (!this.#out.delete(message)) return false;
    const settled = this.#request(message, how);
    // Right behind it: the server takes one after the other, so no more are out than there is room for.
    this.#ask();
    return settled;
  }

  /**
   * The server answers each acknowledgement: only then is it done. One that was lost with the server is made again while the message
   * is still ours, since the server would hand out what was executed. Not a hand-back: if it was not lost, it would hand out twice.
   */
  async #request(message: Msg, how: string): Promise<boolean> {
    const { connection, clock, finished } = this.#options;
    const facts = factsOf(message);
    const finishes = how === "+ACK" || how === "+TERM";
    if (finishes && facts !== undefined) finished.add(Number(facts.seq), facts.storedMs);
    // The last sign of life is a third of that time old at most.
    const untilMs = clock.monotonic() + (brokerAckWaitMs * 2) / 3;
    for (let pauseMs = brokerReconnectFirstMs; ; pauseMs = Math.min(brokerReconnectMaxMs, pauseMs * 2)) {
      if (await this.#answered(message.reply ?? "", how)) return true;
      if (this.#lost && facts !== undefined) return finishes && (await this.#options.remove(facts).catch(() => false));
      let there: boolean | undefined;
      while (there === undefined) {
        if (!finishes || connection.isClosed() || clock.monotonic() + pauseMs > untilMs) return false;
        await clock.sleep(pauseMs);
        there = await this.#isThere(facts);
      }
      // It was heard after all; or its sequence is another message's now, which is not to be acknowledged.
      if (!there) return true;
    }
  }

  /** Undefined: the server does not say. */
  async #isThere(facts: DeliveryFacts | undefined): Promise<boolean | undefined> {
    if (facts === undefined) return false;
    try {
      return (await this.#options.storedAt(Number(facts.seq))) === facts.storedMs;
    } catch {
      return undefined;
    }
  }

  /** False: the server said no, or nothing, or came back meanwhile. */
  async #answered(subject: string, how: string): Promise<boolean> {
    const back = Promise.withResolvers<boolean>();
    const again = (): void => back.resolve(false);
    this.#unanswered.add(again);
    const answer = this.#options.connection.request(subject, how, { timeout: brokerConfirmMs });
    const answered = answer.then(
      () => true,
      async (error: unknown) => {
        if (hasNoListener(error)) await this.#check();
        return false;
      },
    );
    return Promise.race([answered, back.promise]).finally(() => this.#unanswered.delete(again));
  }

  #signOfLife(): void {
    const { connection } = this.#options;
    if (connection.isClosed()) return;
    for (const { reply } of this.#out) if (reply !== undefined) connection.publish(reply, "+WPI");
  }
}
